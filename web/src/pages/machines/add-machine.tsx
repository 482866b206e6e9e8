import { Alert, List, Text, TextInput } from '@mantine/core';
import { TriangleAlert } from 'lucide-react';
import { useEffect, useState } from 'react';
import { ApiError, post } from '../../api/client.ts';
import { FormDialog, fieldError } from '../../components/form-dialog.tsx';
import { ProblemNotice } from '../../components/problem.tsx';
import { useAction } from '../../lib/use-action.ts';

const EMPTY = { vm_name: '', vm_ip: '', vm_port: '', vm_username: '', vm_key_path: '', vm_service_path: '' };
type Fields = typeof EMPTY;

/** Takes a machine in; what it lacks is said one by one, each with what to do. */
export function AddMachine({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const [fields, setFields] = useState<Fields>(EMPTY);
  const action = useAction({
    run: ({ vm_port, ...body }: Fields) =>
      post('/api/nodes/', vm_port === '' ? body : { ...body, vm_port: Number(vm_port) }),
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
      problem={(error) => <Lacking error={error} name={fields.vm_name} />}
      disabled={fields.vm_name === '' || fields.vm_ip === '' || fields.vm_username === ''}
      onSubmit={() => action.mutate({ ...fields, vm_service_path: folder }, { onSuccess: onClose })}
    >
      {input('vm_name', 'Name', 'What it is to be called here', { required: true, 'data-autofocus': true })}
      {input('vm_ip', 'Address', 'Where the platform and the other machines reach it', { required: true })}
      {input('vm_port', 'SSH port', 'Where its sshd listens', { placeholder: '22', inputMode: 'numeric' })}
      {input('vm_username', 'User', 'Who the platform signs in as over SSH; in group docker there', { required: true })}
      {input('vm_key_path', 'Private key', 'Its file on the machine of the platform; empty: the SSH agent', {
        placeholder: '/home/avishkar/.ssh/id_ed25519',
      })}
      {input('vm_service_path', 'Folder', 'For the platform’s files there', { placeholder: folder })}
    </FormDialog>
  );
}

/** What the machine lacks: of each thing what was found there, and what to do about it. */
function Lacking({ error, name }: { error: unknown; name: string }) {
  if (!(error instanceof ApiError) || error.code !== 'AVK_UNACCEPTABLE' || error.fields.length === 0) {
    return <ProblemNotice error={error} />;
  }
  const icon = <TriangleAlert size={18} aria-hidden="true" />;
  return (
    <Alert color="red" role="alert" icon={icon} title={`${name} cannot be taken in yet`}>
      <List size="sm" spacing="xs" listStyleType="none">
        {error.fields.map(({ path, message, received }) => (
          <List.Item key={path}>
            <Text size="sm">{received}</Text>
            <pre className="log-excerpt">{message}</pre>
          </List.Item>
        ))}
      </List>
    </Alert>
  );
}
