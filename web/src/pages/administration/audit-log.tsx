import { Badge, Button, Center, Stack, Text } from '@mantine/core';
import { type InfiniteData, useInfiniteQuery } from '@tanstack/react-query';
import { ScrollText } from 'lucide-react';
import { AUDIT_PAGE, auditPage } from '../../api/queries.ts';
import type { AuditEntry } from '../../api/types.ts';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Moment } from '../../components/moment.tsx';
import { Nothing } from '../../components/nothing.tsx';
import { ProblemNotice } from '../../components/problem.tsx';
import { Rows } from '../../components/query-view.tsx';

type Page = { entries: AuditEntry[] };

const COLUMNS: Column<AuditEntry>[] = [
  {
    title: 'When',
    head: true,
    cell: ({ at }) => (
      <Text span size="sm" className="nowrap">
        <Moment at={at} as="exact" />
      </Text>
    ),
  },
  { title: 'Who', cell: ({ actor }) => actor },
  {
    title: 'What',
    cell: ({ action, method, path }) => (
      <>
        <Text size="sm">{inShort(action)}</Text>
        <Text size="xs" c="dimmed" className="mono">
          {method} {path}
        </Text>
      </>
    ),
  },
  { title: 'To what', cell: ({ target }) => target },
  {
    title: 'Outcome',
    head: true,
    cell: ({ status }) => (
      <Badge variant="light" radius="sm" tt="none" color={status < 400 ? 'pine' : 'red'} miw="max-content">
        {status < 400 ? 'Done' : 'Refused'}, {status}
      </Badge>
    ),
  },
  { title: 'From', cell: ({ from }) => <span className="mono">{from}</span> },
];

/** What the call does, without how. */
function inShort(action: string): string {
  return action.split(':')[0] ?? action;
}

/** Every call that changed something, or tried to. */
export function AuditLog() {
  const query = useInfiniteQuery<Page, Error, InfiniteData<Page>, string[], string | number | null>({
    queryKey: ['audit'],
    queryFn: ({ pageParam }) => auditPage(pageParam),
    initialPageParam: null,
    getNextPageParam: ({ entries }) => (entries.length < AUDIT_PAGE ? null : (entries.at(-1)?.id ?? null)),
  });
  const entries = query.data?.pages.flatMap((page) => page.entries) ?? [];
  if (query.isPending) return <Rows count={5} />;
  if (query.error && entries.length === 0) {
    return (
      <ProblemNotice
        error={query.error}
        title="The audit log could not be read"
        retry={() => query.refetch()}
        retrying={query.isFetching}
      />
    );
  }
  if (entries.length === 0) return <Nothing icon={ScrollText} title="Nothing has been changed yet" />;
  return (
    <Stack>
      <DataTable label="Audit log" rows={entries} columns={COLUMNS} keyOf={({ id }) => String(id)} />
      {query.error && <ProblemNotice error={query.error} title="Earlier entries could not be read" />}
      {query.hasNextPage && (
        <Center>
          <Button variant="default" onClick={() => query.fetchNextPage()} loading={query.isFetchingNextPage}>
            Show earlier ones
          </Button>
        </Center>
      )}
    </Stack>
  );
}
