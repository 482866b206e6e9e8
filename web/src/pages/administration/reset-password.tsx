import { PasswordInput, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { patch } from '../../api/client.ts';
import { FormDialog, fieldError } from '../../components/form-dialog.tsx';
import { SHORTEST_PASSWORD } from '../../lib/roles.ts';
import { useAction } from '../../lib/use-action.ts';

export function ResetPassword({ username, onClose }: { username: string | null; onClose: () => void }) {
  const [password, setPassword] = useState('');
  const action = useAction({
    run: (name: string) => patch(`/api/users/${encodeURIComponent(name)}/`, { password }),
    done: (_result, name) => `${name} has a new password.`,
    changes: [['users']],
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: empty whenever it is opened
  useEffect(() => {
    setPassword('');
    action.reset();
  }, [username]);

  return (
    <FormDialog
      opened={username !== null}
      onClose={onClose}
      title={`New password for ${username ?? ''}`}
      yes="Set the password"
      busy={action.isPending}
      error={action.error}
      disabled={password.length < SHORTEST_PASSWORD}
      onSubmit={() => username !== null && action.mutate(username, { onSuccess: onClose })}
    >
      <Text size="sm">Tell it to them yourself: the platform sends nothing. They are signed out everywhere.</Text>
      <PasswordInput
        label="New password"
        description={`At least ${SHORTEST_PASSWORD} characters`}
        required
        data-autofocus
        autoComplete="new-password"
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        error={fieldError(action.error, 'password')}
        visibilityToggleButtonProps={{ 'aria-label': 'Show the password', tabIndex: 0 }}
      />
    </FormDialog>
  );
}
