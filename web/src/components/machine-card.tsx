import { Card, Group, SimpleGrid, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import type { Machine } from '../api/types.ts';
import { percent, plural } from '../lib/format.ts';
import { useMachineSeries } from '../lib/use-machine-series.ts';
import { Sparkline } from './sparkline.tsx';
import { StateBadge } from './state-badge.tsx';
import { Told } from './told.tsx';

const METERS = [
  { label: 'CPU', color: '--avk-chart-cpu', of: (machine: Machine) => machine.cpuPercent },
  { label: 'Memory', color: '--avk-chart-memory', of: (machine: Machine) => machine.memoryPercent },
  { label: 'Disk', color: '--avk-chart-disk', of: (machine: Machine) => machine.diskPercent },
];

/** A machine with its last minutes. */
export function MachineCard({ machine, children }: { machine: Machine; children?: ReactNode }) {
  const points = useMachineSeries(machine.name);
  const { name, state, address, replicas, reason } = machine;
  return (
    <Card padding="md">
      <Group justify="space-between" gap="xs">
        <Text fw={600}>{name}</Text>
        <StateBadge state={state} />
      </Group>
      <Text size="xs" c="dimmed" mb="sm">
        <span className="mono">{address}</span> · {plural(replicas, 'replica')}
      </Text>
      <SimpleGrid cols={3} spacing="sm">
        {METERS.map(({ label, color, of }, index) => (
          <div key={label}>
            <Group justify="space-between" gap={4} align="baseline">
              <Text size="xs" c="dimmed">
                {label}
              </Text>
              <Text size="sm" fw={600} className="tabular">
                {percent(of(machine))}
              </Text>
            </Group>
            <Sparkline points={points} curve={index} color={color} />
          </div>
        ))}
      </SimpleGrid>
      {reason && (
        <Text size="sm" mt="sm">
          <Told text={reason} />
        </Text>
      )}
      {children}
    </Card>
  );
}
