import { TextInput } from '@mantine/core';
import { useEffect, useState } from 'react';
import { post } from '../../api/client.ts';
import { FormDialog, fieldError } from '../../components/form-dialog.tsx';
import { useAction } from '../../lib/use-action.ts';

const EMPTY = { vm_name: '', vm_ip: '', vm_username: '', vm_key_path: '', vm_service_path: '' };
type Fields = typeof EMPTY;

/** Takes a machine in; what it lacks is said one by one, each with what to do. */
export function AddMachine({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const [fields, setFields] = useState<Fields>(EMPTY);
  const action = useAction({
    run: (body: Fields) => post('/api/nodes/', body),
    done: (_result, body) => `${body.vm_name} is a machine of the platform now.`,
    changes: [['machines']],
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: empty whenever it is opened
  useEffect(() => {
    if (!opened) return;
    setFields(EMPTY);
    action.reset();
  }, [opened]);

  const folder = fields.vm_service_path || `/home/${fields.vm_username || 'USER'}/Services`;
  const input = (name: keyof Fields, label: string, description: string, more: object = {}) => (
    <TextInput
      label={label}
      description={description}
      autoComplete="off"
      autoCapitalize="none"
      value={fields[name]}
      onChange={({ currentTarget: { value } }) => setFields((before) => ({ ...before, [name]: value }))}
      error={fieldError(action.error, name)}
      {...more}
    />
  );

  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title="Add a machine"
      yes="Check and add"
      busy={action.isPending}
      error={action.error}
      disabled={fields.vm_name === '' || fields.vm_ip === '' || fields.vm_username === ''}
      onSubmit={() => action.mutate({ ...fields, vm_service_path: folder }, { onSuccess: onClose })}
    >
      {input('vm_name', 'Name', 'What it is to be called here', { required: true, 'data-autofocus': true })}
      {input('vm_ip', 'Address', 'Where the platform and the other machines reach it', { required: true })}
      {input('vm_username', 'User', 'Who the platform signs in as over SSH; in group docker there', { required: true })}
      {input('vm_key_path', 'Private key', 'Its file on the machine of the platform; empty: the SSH agent', {
        placeholder: '/home/avishkar/.ssh/id_ed25519',
      })}
      {input('vm_service_path', 'Folder', 'For the platform’s files there', { placeholder: folder })}
    </FormDialog>
  );
}
