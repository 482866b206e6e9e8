import { Anchor, Button, Group, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { CalendarClock, Pause, Play, Trash2 } from 'lucide-react';
import { Link } from 'wouter';
import { asSentence, patch, remove } from '../../api/client.ts';
import { schedulesQuery } from '../../api/queries.ts';
import type { Schedule } from '../../api/types.ts';
import { useConfirm } from '../../components/confirm.tsx';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Moment } from '../../components/moment.tsx';
import { Nothing } from '../../components/nothing.tsx';
import { OccurrenceText } from '../../components/occurrence-text.tsx';
import { QueryView } from '../../components/query-view.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { Told } from '../../components/told.tsx';
import { recurrenceText } from '../../lib/recurrence.ts';
import { useAction } from '../../lib/use-action.ts';

const COLUMNS: Column<Schedule>[] = [
  {
    title: 'Instance',
    head: true,
    cell: ({ instanceName, createdBy, state }) => (
      <>
        {state === 'active' ? (
          <Anchor component={Link} href={`/instances/${instanceName}`} fw={600} className="name">
            {instanceName}
          </Anchor>
        ) : (
          <Text fw={600} span className="name">
            {instanceName}
          </Text>
        )}
        <Text size="xs" c="dimmed">
          by {createdBy}
        </Text>
      </>
    ),
  },
  { title: 'State', head: true, cell: ({ state }) => <StateBadge state={state} /> },
  { title: 'App', cell: ({ appName, version }) => `${appName} ${version ?? '(newest)'}` },
  {
    title: 'Repeats',
    cell: ({ recurrence, timezone }) => (
      <>
        <Text size="sm" className={recurrenceText(recurrence) === recurrence ? 'mono' : undefined}>
          {recurrenceText(recurrence)}
        </Text>
        <Text size="xs" c="dimmed">
          {timezone}
        </Text>
      </>
    ),
  },
  {
    title: 'Next times',
    cell: ({ next, paused }) => (paused ? 'none while paused' : next.length === 0 ? 'none' : <NextTimes next={next} />),
  },
  {
    title: 'Last outcome',
    cell: ({ lastOutcome }) =>
      lastOutcome ? (
        <Text size="sm" maw="20rem" c={lastOutcome.failed ? 'red' : undefined}>
          <Told text={asSentence(lastOutcome.text)} />{' '}
          <Text span size="xs" c="dimmed">
            <Moment at={lastOutcome.at} />
          </Text>
        </Text>
      ) : null,
  },
  { title: 'Actions', quiet: true, align: 'right', cell: (schedule) => <Actions schedule={schedule} /> },
];

function NextTimes({ next: [first, ...later] }: { next: Schedule['next'] }) {
  if (!first) return null;
  return (
    <>
      <Text size="sm">
        <OccurrenceText of={first} />
      </Text>
      {later.slice(0, 2).map((occurrence) => (
        <Text size="xs" c="dimmed" key={occurrence.start}>
          <OccurrenceText of={occurrence} />
        </Text>
      ))}
    </>
  );
}

export function ScheduleList() {
  const query = useQuery(schedulesQuery);
  return (
    <QueryView query={query} what="The schedules">
      {(schedules) =>
        schedules.length === 0 ? (
          <Nothing
            icon={CalendarClock}
            title="Nothing is scheduled"
            text="An app can live for a time window, once or again and again: choose a schedule when you deploy it."
          >
            <Button component={Link} href="/catalogue" variant="light">
              Choose an app
            </Button>
          </Nothing>
        ) : (
          <DataTable label="Schedules" rows={schedules} columns={COLUMNS} keyOf={({ scheduleId }) => scheduleId} />
        )
      }
    </QueryView>
  );
}

function Actions({ schedule: { scheduleId, instanceName, paused, state } }: { schedule: Schedule }) {
  const confirm = useConfirm();
  const path = `/api/schedules/${encodeURIComponent(scheduleId)}/`;
  const pause = useAction({
    run: (wanted: boolean) => patch(path, { paused: wanted }),
    done: (_result, wanted) => `${instanceName} is ${wanted ? 'paused' : 'scheduled again'}.`,
    failed: (wanted) => `${instanceName} was not ${wanted ? 'paused' : 'resumed'}`,
    changes: [['schedules']],
  });
  const drop = useAction({
    run: () => remove(path),
    done: () => `The schedule of ${instanceName} is deleted.`,
    failed: () => `The schedule of ${instanceName} was not deleted`,
    changes: [['schedules'], ['instances']],
  });

  async function ask(): Promise<void> {
    const yes = await confirm({
      title: `Delete the schedule of ${instanceName}?`,
      text: 'It does not start any more. An instance that runs now goes on; stop it on its own page.',
      yes: 'Delete the schedule',
      danger: true,
    });
    if (yes) drop.mutate(undefined);
  }

  return (
    <Group gap="xs" justify="flex-end" wrap="nowrap">
      {state !== 'ended' && (
        <Button
          size="xs"
          variant="default"
          loading={pause.isPending}
          onClick={() => pause.mutate(!paused)}
          leftSection={paused ? <Play size={14} aria-hidden="true" /> : <Pause size={14} aria-hidden="true" />}
          aria-label={`${paused ? 'Resume' : 'Pause'} the schedule of ${instanceName}`}
        >
          {paused ? 'Resume' : 'Pause'}
        </Button>
      )}
      <Button
        size="xs"
        variant="default"
        loading={drop.isPending}
        onClick={ask}
        leftSection={<Trash2 size={14} aria-hidden="true" />}
        aria-label={`Delete the schedule of ${instanceName}`}
      >
        Delete
      </Button>
    </Group>
  );
}
