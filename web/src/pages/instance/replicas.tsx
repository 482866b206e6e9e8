import { Card, Text } from '@mantine/core';
import { Boxes } from 'lucide-react';
import type { Instance, Replica } from '../../api/types.ts';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Nothing } from '../../components/nothing.tsx';
import { NotWhileStopped } from '../../components/query-view.tsx';
import { Section } from '../../components/section.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { Told } from '../../components/told.tsx';
import { percent } from '../../lib/format.ts';
import { healthyReplicas } from '../../lib/states.ts';
import { usePlatformStopped } from '../../lib/use-platform-stopped.ts';

const COLUMNS: Column<Replica>[] = [
  {
    title: 'Replica',
    head: true,
    cell: ({ name }) => (
      <Text span size="sm" fw={600} className="name">
        {name}
      </Text>
    ),
  },
  { title: 'State', head: true, cell: ({ state }) => <StateBadge state={state} /> },
  {
    title: 'Machine',
    cell: ({ node, hostPort }) => (
      <span>
        {node}
        <Text span c="dimmed" size="sm" className="tabular">
          :{hostPort}
        </Text>
      </span>
    ),
  },
  { title: 'CPU', cell: ({ cpuPercent }) => <span className="tabular">{percent(cpuPercent)}</span> },
  { title: 'Memory', cell: ({ memoryPercent }) => <span className="tabular">{percent(memoryPercent)}</span> },
  { title: 'Restarts', cell: ({ restarts }) => <span className="tabular">{restarts}</span> },
  {
    title: 'Why there',
    cell: ({ placement, reason }) => (
      <>
        {reason && (
          <Text size="sm">
            <Told text={reason} />
          </Text>
        )}
        <Text size="sm" c="dimmed">
          <Told text={placement ?? ''} />
        </Text>
      </>
    ),
  },
];

export function Replicas({ instance }: { instance: Instance }) {
  const { replicas, scale } = instance;
  const stopped = usePlatformStopped();
  if (stopped && replicas.length === 0) {
    return (
      <Section title="Replicas">
        <NotWhileStopped what="Its replicas, which serve as before" />
      </Section>
    );
  }
  return (
    <Section
      title="Replicas"
      aside={
        <Text size="sm" c="dimmed" role="status">
          {healthyReplicas(instance)} healthy, {scale.min === scale.max ? scale.min : `${scale.min} to ${scale.max}`}{' '}
          wanted
        </Text>
      }
    >
      {replicas.length === 0 ? (
        <Card>
          <Nothing icon={Boxes} title="No replica is known at present" />
        </Card>
      ) : (
        <DataTable label="Replicas" rows={replicas} columns={COLUMNS} keyOf={({ id }) => id} />
      )}
    </Section>
  );
}
