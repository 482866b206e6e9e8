import { Button, Group, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { KeySquare, Plus, Trash2 } from 'lucide-react';
import { remove } from '../../api/client.ts';
import { tokensQuery } from '../../api/queries.ts';
import type { Token } from '../../api/types.ts';
import { useConfirm } from '../../components/confirm.tsx';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Moment } from '../../components/moment.tsx';
import { Nothing } from '../../components/nothing.tsx';
import { QueryView } from '../../components/query-view.tsx';
import { useAction } from '../../lib/use-action.ts';
import { CreateToken } from './create-token.tsx';

const COLUMNS: Column<Token>[] = [
  {
    title: 'Token',
    head: true,
    cell: ({ name }) => (
      <Text fw={600} size="sm" span>
        {name}
      </Text>
    ),
  },
  { title: 'Acts as', cell: ({ username, role }) => `${username}, ${role}` },
  {
    title: 'Scopes',
    cell: ({ scopes }) => (scopes?.length ? <span className="mono">{scopes.join(', ')}</span> : 'all'),
  },
  { title: 'Created', cell: ({ createdAt }) => <Moment at={createdAt} as="date" /> },
  { title: 'Ends', cell: ({ expiresAt }) => <Moment at={expiresAt} as="date" /> },
  { title: 'Last used', cell: ({ lastUsedAt }) => <Moment at={lastUsedAt} /> },
  { title: 'Actions', quiet: true, align: 'right', cell: (token) => <Revoke token={token} /> },
];

export function Tokens() {
  const query = useQuery(tokensQuery);
  const [creating, create] = useDisclosure(false);
  return (
    <Stack>
      <Group justify="space-between">
        <Text size="sm" c="dimmed">
          For programs: they show a token instead of signing in.
        </Text>
        <Button leftSection={<Plus size={16} aria-hidden="true" />} onClick={create.open}>
          Create a token
        </Button>
      </Group>
      <QueryView query={query} what="The tokens">
        {(tokens) =>
          tokens.length === 0 ? (
            <Nothing icon={KeySquare} title="There is no token" />
          ) : (
            <DataTable label="Tokens" rows={tokens} columns={COLUMNS} keyOf={({ id }) => id} />
          )
        }
      </QueryView>
      <CreateToken opened={creating} onClose={create.close} />
    </Stack>
  );
}

function Revoke({ token: { id, name } }: { token: Token }) {
  const confirm = useConfirm();
  const revoke = useAction({
    run: () => remove(`/api/tokens/${encodeURIComponent(id)}/`),
    done: () => `${name} is revoked.`,
    failed: () => `${name} was not revoked`,
    changes: [['tokens']],
  });

  async function ask(): Promise<void> {
    const yes = await confirm({
      title: `Revoke ${name}?`,
      text: 'Whatever uses it is refused from now on. It cannot be brought back.',
      yes: 'Revoke the token',
      danger: true,
    });
    if (yes) revoke.mutate(undefined);
  }

  return (
    <Button
      size="xs"
      variant="default"
      leftSection={<Trash2 size={14} aria-hidden="true" />}
      onClick={ask}
      loading={revoke.isPending}
      aria-label={`Revoke ${name}`}
    >
      Revoke
    </Button>
  );
}
