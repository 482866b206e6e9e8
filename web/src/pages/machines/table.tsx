import { Box, Button, Flex, Group, Text } from '@mantine/core';
import { CirclePause, CirclePlay, Trash2 } from 'lucide-react';
import type { ReactNode } from 'react';
import { post, remove } from '../../api/client.ts';
import type { Machine } from '../../api/types.ts';
import { useConfirm } from '../../components/confirm.tsx';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Moment } from '../../components/moment.tsx';
import { Sparkline } from '../../components/sparkline.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { Told } from '../../components/told.tsx';
import { percent } from '../../lib/format.ts';
import { useIsAdmin } from '../../lib/session.ts';
import { isKnown, needsRoom } from '../../lib/states.ts';
import { useAction } from '../../lib/use-action.ts';
import { useMachineSeries } from '../../lib/use-machine-series.ts';

/** A machine that does not answer, or has not yet, has nothing to show. */
const known =
  (cell: (machine: Machine) => ReactNode) =>
  (machine: Machine): ReactNode =>
    isKnown(machine) ? cell(machine) : null;

const COLUMNS: Column<Machine>[] = [
  {
    title: 'Machine',
    head: true,
    cell: ({ name, address, reason }) => (
      <>
        <Text fw={600} size="sm">
          {name}
        </Text>
        <Text size="xs" c="dimmed" className="mono">
          {address}
        </Text>
        {reason && (
          <Text size="sm">
            <Told text={reason} />
          </Text>
        )}
      </>
    ),
  },
  { title: 'State', head: true, cell: ({ state }) => <StateBadge state={state} /> },
  {
    title: 'CPU',
    cell: known((machine) => <Meter machine={machine} curve={0} color="--avk-chart-cpu" value={machine.cpuPercent} />),
  },
  {
    title: 'Memory',
    cell: known((machine) => (
      <Meter machine={machine} curve={1} color="--avk-chart-memory" value={machine.memoryPercent} />
    )),
  },
  {
    title: 'Disk',
    cell: known((machine) => (
      <Meter
        machine={machine}
        curve={2}
        color="--avk-chart-disk"
        value={machine.diskPercent}
        warning={needsRoom(machine)}
      />
    )),
  },
  { title: 'Replicas', cell: ({ replicas }) => <span className="tabular">{replicas}</span> },
  { title: 'Score', cell: ({ score }) => <span className="tabular">{score.toFixed(1)}</span> },
  { title: 'Last seen', cell: ({ lastSeen }) => <Moment at={lastSeen} /> },
];

const ACTIONS: Column<Machine> = {
  title: 'Actions',
  quiet: true,
  align: 'right',
  cell: (machine) => <Actions machine={machine} />,
};

export function MachineTable({ machines }: { machines: readonly Machine[] }) {
  const admin = useIsAdmin();
  return (
    <DataTable
      label="Machines"
      rows={machines}
      columns={admin ? [...COLUMNS, ACTIONS] : COLUMNS}
      keyOf={({ name }) => name}
    />
  );
}

interface MeterProps {
  machine: Machine;
  curve: number;
  color: string;
  value: number;
  warning?: boolean;
}

function Meter({ machine, curve, color, value, warning = false }: MeterProps) {
  const points = useMachineSeries(machine.name);
  return (
    <Flex direction={{ base: 'row', md: 'column' }} align={{ base: 'center', md: 'flex-start' }} columnGap="xs">
      <Text span size="sm" className="tabular" w="3.2rem" fw={warning ? 700 : 400} c={warning ? 'red' : undefined}>
        {percent(value)}
        {warning && <span className="for-listeners">, nearly full</span>}
      </Text>
      <Box w="5rem">
        <Sparkline points={points} curve={curve} color={color} />
      </Box>
    </Flex>
  );
}

function Actions({ machine }: { machine: Machine }) {
  return (
    <Group gap="xs" justify="flex-end">
      {machine.role === 'worker' && ['drained', 'lost'].includes(machine.state) && <Remove machine={machine} />}
      <Drain machine={machine} />
    </Group>
  );
}

function Remove({ machine: { name, state } }: { machine: Machine }) {
  const confirm = useConfirm();
  const action = useAction({
    run: () => remove(`/api/nodes/${encodeURIComponent(name)}`),
    done: () => `${name} is no machine of the platform any more.`,
    failed: () => `${name} was not removed`,
    changes: [['machines']],
  });

  async function ask(): Promise<void> {
    const yes = await confirm({
      title: `Remove ${name}?`,
      text:
        state === 'lost'
          ? 'The platform does not look for it any longer. What ran on it comes up on other machines.'
          : 'The platform lets go of it. What is installed on it stays.',
      yes: 'Remove it',
      danger: true,
    });
    if (yes) action.mutate();
  }

  return (
    <Button
      size="xs"
      variant="default"
      loading={action.isPending}
      onClick={ask}
      leftSection={<Trash2 size={14} aria-hidden="true" />}
      aria-label={`Remove ${name}`}
    >
      Remove
    </Button>
  );
}

function Drain({ machine: { name, state, replicas } }: { machine: Machine }) {
  const confirm = useConfirm();
  const away = state === 'draining' || state === 'drained';
  const action = useAction({
    run: (verb: 'drain' | 'resume') => post(`/api/nodes/${encodeURIComponent(name)}/${verb}/`),
    done: (_result, verb) => (verb === 'drain' ? `${name} is being drained.` : `${name} takes replicas again.`),
    failed: (verb) => `${name} was not ${verb === 'drain' ? 'drained' : 'resumed'}`,
    changes: [['machines']],
  });

  async function drain(): Promise<void> {
    const yes = await confirm({
      title: `Drain ${name}?`,
      text:
        replicas === 0
          ? 'It gets nothing new until somebody resumes it.'
          : `It gets nothing new, and its ${replicas === 1 ? 'replica moves' : `${replicas} replicas move`} to other machines, one after the other.`,
      yes: 'Drain it',
      danger: true,
    });
    if (yes) action.mutate('drain');
  }

  return (
    <Button
      size="xs"
      variant="default"
      loading={action.isPending}
      onClick={() => (away ? action.mutate('resume') : drain())}
      leftSection={away ? <CirclePlay size={14} aria-hidden="true" /> : <CirclePause size={14} aria-hidden="true" />}
      aria-label={`${away ? 'Resume' : 'Drain'} ${name}`}
    >
      {away ? 'Resume' : 'Drain'}
    </Button>
  );
}
