import { Button, Group, NativeSelect, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { KeyRound, Trash2, UserPlus } from 'lucide-react';
import { useState } from 'react';
import { patch, remove } from '../../api/client.ts';
import { usersQuery } from '../../api/queries.ts';
import type { Role, User } from '../../api/types.ts';
import { useConfirm } from '../../components/confirm.tsx';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Moment } from '../../components/moment.tsx';
import { QueryView } from '../../components/query-view.tsx';
import { ROLES } from '../../lib/roles.ts';
import { useMe } from '../../lib/session.ts';
import { useAction } from '../../lib/use-action.ts';
import { AddUser } from './add-user.tsx';
import { ResetPassword } from './reset-password.tsx';

export function Users() {
  const query = useQuery(usersQuery);
  const me = useMe();
  const [adding, add] = useDisclosure(false);
  const [resetting, setResetting] = useState<string | null>(null);
  const columns: Column<User>[] = [
    {
      title: 'User',
      head: true,
      cell: ({ username }) => (
        <Text fw={600} size="sm" span>
          {username}
          {username === me.username && (
            <Text span c="dimmed" size="sm" fw={400}>
              {' '}
              (you)
            </Text>
          )}
        </Text>
      ),
    },
    { title: 'Role', cell: (user) => <RoleChoice user={user} own={user.username === me.username} /> },
    { title: 'Since', cell: ({ createdAt }) => <Moment at={createdAt} as="date" /> },
    { title: 'Last signed in', cell: ({ lastLoginAt }) => <Moment at={lastLoginAt} /> },
    {
      title: 'Actions',
      quiet: true,
      align: 'right',
      cell: (user) => (
        <Actions user={user} own={user.username === me.username} onReset={() => setResetting(user.username)} />
      ),
    },
  ];
  return (
    <Stack>
      <Group justify="flex-end">
        <Button leftSection={<UserPlus size={16} aria-hidden="true" />} onClick={add.open}>
          Add a user
        </Button>
      </Group>
      <QueryView query={query} what="The users">
        {(users) => <DataTable label="Users" rows={users} columns={columns} keyOf={({ username }) => username} />}
      </QueryView>
      <AddUser opened={adding} onClose={add.close} />
      <ResetPassword username={resetting} onClose={() => setResetting(null)} />
    </Stack>
  );
}

function RoleChoice({ user: { username, role }, own }: { user: User; own: boolean }) {
  const change = useAction({
    run: (wanted: Role) => patch(`/api/users/${encodeURIComponent(username)}/`, { role: wanted }),
    done: (_result, wanted) => `${username} is now ${wanted}.`,
    failed: () => `The role of ${username} was not changed`,
    changes: [['users']],
  });
  // Who takes the role from themselves cannot give it back.
  if (own) return <>{role}</>;
  return (
    <NativeSelect
      size="xs"
      w="8.5rem"
      aria-label={`Role of ${username}`}
      data={ROLES}
      value={role}
      disabled={change.isPending}
      onChange={(event) => change.mutate(event.currentTarget.value as Role)}
    />
  );
}

function Actions({ user: { username }, own, onReset }: { user: User; own: boolean; onReset: () => void }) {
  const confirm = useConfirm();
  const drop = useAction({
    run: () => remove(`/api/users/${encodeURIComponent(username)}/`),
    done: () => `${username} is deleted.`,
    failed: () => `${username} was not deleted`,
    changes: [['users'], ['tokens']],
  });

  async function ask(): Promise<void> {
    const yes = await confirm({
      title: `Delete ${username}?`,
      text: 'They are signed out, and their tokens stop working. What they deployed goes on; administrators see it.',
      yes: 'Delete the user',
      danger: true,
    });
    if (yes) drop.mutate(undefined);
  }

  if (own) return null;
  return (
    <Group gap="xs" justify="flex-end">
      <Button
        size="xs"
        variant="default"
        leftSection={<KeyRound size={14} aria-hidden="true" />}
        onClick={onReset}
        aria-label={`Reset password of ${username}`}
      >
        Reset password
      </Button>
      <Button
        size="xs"
        variant="default"
        leftSection={<Trash2 size={14} aria-hidden="true" />}
        onClick={ask}
        loading={drop.isPending}
        aria-label={`Delete ${username}`}
      >
        Delete
      </Button>
    </Group>
  );
}
