import { z } from 'zod';
import { AvkError } from '../../domain/errors.ts';
import { occurrences } from '../../domain/occurrences.ts';
import type { Occurrence, Schedule } from '../../domain/schedule.ts';
import { readSchedule, scheduleInputShape, scheduleSchema } from '../../domain/schedule-input.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import { readRows, type ScheduleRow, type SchedulerTables } from './store.ts';

export interface SchedulerRouteDeps {
  database: Database<SchedulerTables>;
  clock: Clock;
  pause: (id: string, paused: boolean) => Promise<void>;
}

const MOST_IDS = 20_000;
const MOST_SHOWN = 10;

const EXAMPLE_PREVIEW = {
  schedule: {
    start: 1_795_417_200_000,
    end: 1_795_453_200_000,
    timezone: 'Europe/Berlin',
    wall: 1_795_420_800_000,
    recurrence: '0 8 * * 1-5',
    until: null,
    overlap: 'skip' as const,
    missed: 'once' as const,
  },
  next: [{ start: '2026-11-23T07:00:00.000Z', end: '2026-11-23T17:00:00.000Z' }],
  notes: [],
};

const window = z.object({
  start: z.string().meta({ example: '2026-11-23T07:00:00.000Z' }),
  end: z.string().nullable().meta({ example: '2026-11-23T17:00:00.000Z' }),
});
/** What the scheduler knows of a schedule, beside what it was made of. */
const view = z.object({
  scheduleId: z.string().meta({ example: '1c9f3b52-7d0e-4f7a-9d58-2f6f0a9be1c4' }),
  paused: z.boolean(),
  state: z.enum(['waiting', 'active', 'paused', 'ended']),
  next: z.array(window),
});

/** For the application manager, which is the door for everybody else. */
export function routes(app: HttpApp, deps: SchedulerRouteDeps): void {
  const tags = ['schedules'];
  const description = 'Called by the application manager.';
  const { database, clock } = deps;
  const one = z.object({ id: z.string().min(1).max(100) });

  app.post(
    '/preview',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'Checks a schedule and says when it would start',
        description,
        body: z.strictObject(scheduleInputShape),
        response: {
          200: z
            .object({ schedule: scheduleSchema, next: z.array(window), notes: z.array(z.string()) })
            .meta({ example: EXAMPLE_PREVIEW }),
        },
      },
    },
    async (request) => {
      const { schedule, next, notes } = await readSchedule(request.body, clock.now());
      return { schedule, next: next.map(shown), notes };
    },
  );

  app.post(
    '/schedules/query',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'How far these schedules have come',
        description,
        body: z.strictObject({
          ids: z.array(z.string().meta({ example: '1c9f3b52-7d0e-4f7a-9d58-2f6f0a9be1c4' })).max(MOST_IDS),
          next: z.int().min(0).max(MOST_SHOWN).default(1),
        }),
        response: { 200: z.object({ schedules: z.array(view) }) },
      },
    },
    async (request) => {
      const rows = await readRows(database.read, request.body.ids);
      const known = rows.filter((row) => row.state !== 'deleted');
      return { schedules: await Promise.all(known.map((row) => viewOf(row, clock.now(), request.body.next))) };
    },
  );

  app.patch(
    '/schedules/:id',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'Pauses or resumes a schedule',
        description: `${description} What runs goes on, and ends at its time. Repeating it is harmless.`,
        params: one,
        body: z.strictObject({ paused: z.boolean() }),
        response: { 200: view },
      },
    },
    async (request) => {
      await deps.pause(request.params.id, request.body.paused);
      const [row] = await readRows(database.read, [request.params.id]);
      if (!row) throw new AvkError('AVK_NOT_FOUND', `there is no schedule ${request.params.id}`);
      return viewOf(row, clock.now(), MOST_SHOWN);
    },
  );
}

async function viewOf(row: ScheduleRow, now: number, count: number): Promise<z.infer<typeof view>> {
  const schedule = row.schedule === null ? null : (JSON.parse(row.schedule) as Schedule);
  const after = row.paused === 1 ? now : row.handled;
  const ended = row.state === 'ended' || schedule === null;
  const next = ended || count === 0 ? [] : await occurrences(schedule, after, count);
  return { scheduleId: row.id, paused: row.paused === 1, state: stateOf(row), next: next.map(shown) };
}

function stateOf(row: ScheduleRow): z.infer<typeof view>['state'] {
  if (row.state === 'ended') return 'ended';
  if (row.active_start !== null) return 'active';
  return row.paused === 1 ? 'paused' : 'waiting';
}

function shown({ start, end }: Occurrence): z.infer<typeof window> {
  return { start: new Date(start).toISOString(), end: end === null ? null : new Date(end).toISOString() };
}
