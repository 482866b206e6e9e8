import { Anchor, Card, Group, List, SegmentedControl, SimpleGrid, Skeleton, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useMemo, useState } from 'react';
import { eventsQuery, metricsQuery } from '../../api/queries.ts';
import type { Mark } from '../../components/curve-marks.ts';
import { Moment } from '../../components/moment.tsx';
import { ProblemNotice } from '../../components/problem.tsx';
import { NotWhileStopped } from '../../components/query-view.tsx';
import { Section } from '../../components/section.tsx';
import { Told } from '../../components/told.tsx';
import { shortName } from '../../lib/format.ts';
import { mergePoints } from '../../lib/series.ts';
import { usePlatformStopped } from '../../lib/use-platform-stopped.ts';
import { useUsagePoints } from '../../live/store.ts';

const Curves = lazy(() => import('../../components/curves.tsx'));

const RANGES = [
  { value: '15', label: '15 min' },
  { value: '60', label: '1 h' },
  { value: '360', label: '6 h' },
  { value: '1440', label: '24 h' },
];

/** CPU and memory of every replica, with what happened marked on the time axis. */
export function UsageCurves({ name }: { name: string }) {
  const [minutes, setMinutes] = useState('15');
  const metrics = useQuery(metricsQuery(name, Number(minutes)));
  const events = useQuery(eventsQuery(name));
  const live = useUsagePoints(name);
  const stopped = usePlatformStopped();
  const from = Date.now() - Number(minutes) * 60_000;
  const series = useMemo(() => {
    const past = new Map((metrics.data?.series ?? []).map(({ replica, points }) => [replica, points]));
    return [...new Set([...past.keys(), ...live.keys()])].sort().map((replica) => ({
      name: replica,
      short: shortName(replica, name),
      points: mergePoints(past.get(replica) ?? [], live.get(replica) ?? []),
    }));
  }, [metrics.data, live, name]);
  const marks = useMemo(
    () =>
      (events.data ?? [])
        .map(({ ts, text }) => ({ at: Date.parse(ts), text }))
        .filter(({ at }) => at >= Date.now() - Number(minutes) * 60_000),
    [events.data, minutes],
  );

  if (stopped && series.length === 0) {
    return (
      <Section title="CPU and memory">
        <NotWhileStopped what="CPU and memory of its replicas" />
      </Section>
    );
  }
  return (
    <Section
      title="CPU and memory"
      aside={<SegmentedControl size="xs" aria-label="Time shown" data={RANGES} value={minutes} onChange={setMinutes} />}
    >
      {metrics.error && !stopped && (
        <ProblemNotice
          error={metrics.error}
          title="The history could not be read; what comes in now is shown"
          retry={() => metrics.refetch()}
          retrying={metrics.isFetching}
        />
      )}
      <SimpleGrid cols={{ base: 1, lg: 2 }} mt={metrics.error && !stopped ? 'sm' : 0}>
        <Card padding="md">
          <Suspense fallback={<Skeleton height={220} />}>
            <Curves title="CPU" value={0} series={series} marks={marks} from={from} />
          </Suspense>
        </Card>
        <Card padding="md">
          <Suspense fallback={<Skeleton height={220} />}>
            <Curves title="Memory" value={1} series={series} marks={marks} from={from} />
          </Suspense>
        </Card>
      </SimpleGrid>
      <MarkList marks={marks} />
    </Section>
  );
}

const SHOWN_MARKS = 4;

/** What the numbers on the time axis stand for. */
function MarkList({ marks }: { marks: readonly Mark[] }) {
  const [all, setAll] = useState(false);
  if (marks.length === 0) return null;
  const first = all ? 0 : Math.max(0, marks.length - SHOWN_MARKS);
  return (
    <>
      <Group gap="sm" mt="sm">
        <Text size="sm" fw={500}>
          Marked on the time axis
        </Text>
        {marks.length > SHOWN_MARKS && (
          <Anchor component="button" type="button" size="sm" aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? 'Only the newest' : `All ${marks.length}`}
          </Anchor>
        )}
      </Group>
      <List size="sm" type="ordered" start={first + 1}>
        {marks.slice(first).map(({ at, text }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the number is the mark's name
          <List.Item key={first + index}>
            <Moment at={at} as="date" /> <Told text={text} />
          </List.Item>
        ))}
      </List>
    </>
  );
}
