import { Alert, Button, Group, NativeSelect, NumberInput, Stack, Text, TextInput } from '@mantine/core';
import { useEffect, useState } from 'react';
import { post } from '../../api/client.ts';
import type { Role, Token } from '../../api/types.ts';
import { Copy } from '../../components/copy.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { FormDialog, fieldError } from '../../components/form-dialog.tsx';
import { ROLE_MEANING, ROLES } from '../../lib/roles.ts';
import { useMe } from '../../lib/session.ts';
import { useAction } from '../../lib/use-action.ts';
import { Scopes } from './scopes.tsx';

interface Body {
  name: string;
  username?: string;
  role: Role;
  scopes?: string[];
  expiresInDays?: number;
}

/** Makes a token, and shows it this once. */
export function CreateToken({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const me = useMe();
  const [name, setName] = useState('');
  const [username, setUsername] = useState('');
  const [role, setRole] = useState<Role>('developer');
  const [scopes, setScopes] = useState<string[] | null>(null);
  const [days, setDays] = useState<number | string>(90);
  const action = useAction({
    run: (body: Body) => post<Token & { token: string }>('/api/tokens/', body),
    changes: [['tokens']],
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: empty whenever it is opened
  useEffect(() => {
    if (!opened) return;
    setName('');
    setUsername('');
    setRole('developer');
    setScopes(null);
    setDays(90);
    action.reset();
  }, [opened]);

  if (action.data) {
    return (
      <Dialog opened={opened} onClose={onClose} title={`The token ${action.data.name}`} closeOnClickOutside={false}>
        <Stack>
          <Alert color="marigold">It is shown this once. Keep it where the program that needs it finds it.</Alert>
          <Group wrap="nowrap" gap="xs">
            <Text className="mono" style={{ overflowWrap: 'anywhere' }} data-token>
              {action.data.token}
            </Text>
            <Copy value={action.data.token} what="the token" />
          </Group>
          <Group justify="flex-end">
            <Button onClick={onClose}>I have kept it</Button>
          </Group>
        </Stack>
      </Dialog>
    );
  }
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title="Create a token"
      yes="Create"
      busy={action.isPending}
      error={action.error}
      disabled={name.trim() === '' || scopes?.length === 0}
      onSubmit={() =>
        action.mutate({
          name: name.trim(),
          role,
          ...(scopes === null ? {} : { scopes }),
          ...(username.trim() === '' ? {} : { username: username.trim() }),
          ...(days === '' ? {} : { expiresInDays: Number(days) }),
        })
      }
    >
      <TextInput
        label="Name"
        description="What it is for"
        placeholder="CI uploads"
        required
        data-autofocus
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={fieldError(action.error, 'name')}
      />
      <TextInput
        label="Acts as"
        description="Left empty, as you"
        placeholder={me.username}
        value={username}
        onChange={(event) => setUsername(event.currentTarget.value)}
        error={fieldError(action.error, 'username')}
      />
      <NativeSelect
        label="Role"
        description={`Such a token ${ROLE_MEANING[role]}`}
        data={ROLES}
        value={role}
        onChange={(event) => setRole(event.currentTarget.value as Role)}
        error={fieldError(action.error, 'role')}
      />
      <Scopes value={scopes} onChange={setScopes} error={fieldError(action.error, 'scopes')} />
      <NumberInput
        label="Ends after so many days"
        description="Left empty, never"
        min={1}
        allowDecimal={false}
        value={days}
        onChange={setDays}
        error={fieldError(action.error, 'expiresInDays')}
      />
    </FormDialog>
  );
}
