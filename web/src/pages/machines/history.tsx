import { Card, SimpleGrid, Skeleton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense } from 'react';
import { machineHistoryQuery } from '../../api/queries.ts';
import { QueryView, Rows } from '../../components/query-view.tsx';
import { mergePoints } from '../../lib/series.ts';
import { type Point, useMachinePoints } from '../../live/store.ts';

const Curves = lazy(() => import('../../components/curves.tsx'));

/** CPU, memory and disk of every machine over time. */
export function MachineHistory({ minutes, machines }: { minutes: number; machines: readonly string[] }) {
  const query = useQuery(machineHistoryQuery(minutes));
  return (
    <QueryView query={query} what="The history" skeleton={<Rows count={1} height={220} />}>
      {(history) => (
        <SimpleGrid cols={{ base: 1, md: machines.length > 1 ? 2 : 1 }}>
          {machines.map((name) => (
            <One
              key={name}
              name={name}
              past={history.nodes.find((node) => node.name === name)?.points ?? []}
              minutes={minutes}
            />
          ))}
        </SimpleGrid>
      )}
    </QueryView>
  );
}

function One({ name, past, minutes }: { name: string; past: readonly Point[]; minutes: number }) {
  const points = mergePoints(past, useMachinePoints(name));
  const series = [
    { name: 'CPU', color: '--avk-chart-cpu', of: 0 },
    { name: 'Memory', color: '--avk-chart-memory', of: 1 },
    { name: 'Disk', color: '--avk-chart-disk', of: 2 },
  ].map(({ of, ...rest }) => ({ ...rest, points: points.map((point): Point => [point[0], point[of + 1] ?? null]) }));
  return (
    <Card padding="md">
      <Suspense fallback={<Skeleton height={210} />}>
        <Curves title={name} value={0} series={series} from={Date.now() - minutes * 60_000} />
      </Suspense>
    </Card>
  );
}
