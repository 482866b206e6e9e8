import { NativeSelect, PasswordInput, TextInput } from '@mantine/core';
import { useEffect, useState } from 'react';
import { post } from '../../api/client.ts';
import type { Role } from '../../api/types.ts';
import { FormDialog, fieldError } from '../../components/form-dialog.tsx';
import { ROLE_MEANING, ROLES, SHORTEST_PASSWORD } from '../../lib/roles.ts';
import { useAction } from '../../lib/use-action.ts';

export function AddUser({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [role, setRole] = useState<Role>('user');
  const action = useAction({
    run: (body: { username: string; password: string; role: Role }) => post('/api/users/', body),
    done: (_result, body) => `${body.username} is added.`,
    changes: [['users']],
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: empty whenever it is opened
  useEffect(() => {
    if (!opened) return;
    setUsername('');
    setPassword('');
    setRole('user');
    action.reset();
  }, [opened]);

  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title="Add a user"
      yes="Add"
      busy={action.isPending}
      error={action.error}
      disabled={username === '' || password.length < SHORTEST_PASSWORD}
      onSubmit={() => action.mutate({ username, password, role }, { onSuccess: onClose })}
    >
      <TextInput
        label="Username"
        required
        data-autofocus
        autoComplete="off"
        autoCapitalize="none"
        value={username}
        onChange={(event) => setUsername(event.currentTarget.value)}
        error={fieldError(action.error, 'username')}
      />
      <PasswordInput
        label="Password"
        description={`At least ${SHORTEST_PASSWORD} characters; they can change it later`}
        required
        autoComplete="new-password"
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        error={fieldError(action.error, 'password')}
        visibilityToggleButtonProps={{ 'aria-label': 'Show the password', tabIndex: 0 }}
      />
      <NativeSelect
        label="Role"
        description={`Such a user ${ROLE_MEANING[role]}`}
        data={ROLES}
        value={role}
        onChange={(event) => setRole(event.currentTarget.value as Role)}
      />
    </FormDialog>
  );
}
