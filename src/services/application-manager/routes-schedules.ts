import { z } from 'zod';
import { AvkError, messageOf } from '../../domain/errors.ts';
import type { Schedule } from '../../domain/schedule.ts';
import { scheduleInputShape, scheduleSchema } from '../../domain/schedule-input.ts';
import { callerOf, type HttpApp } from '../../kernel/http/app.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Log } from '../../ports/log.ts';
import { deployShape } from './routes-instances.ts';
import type { ScheduleRow } from './schedule-store.ts';
import type { Schedules } from './schedules.ts';

export interface ScheduleRouteDeps {
  schedules: Schedules;
  client: ServiceClient;
  log: Log;
  /** Resolves when the scheduler has it, so that what is asked next finds it. */
  known: (scheduleId: string) => Promise<void>;
}

const SCHEDULE_ID = '1c9f3b52-7d0e-4f7a-9d58-2f6f0a9be1c4';
const window = z.object({
  start: z.string().meta({ example: '2026-11-23T07:00:00.000Z' }),
  end: z.string().nullable().meta({ example: '2026-11-23T17:00:00.000Z' }),
});
const notes = z.array(z.string().meta({ example: 'in Europe/Berlin the clock goes forward on 2027-03-28' }));
const preview = z.object({ schedule: scheduleSchema, next: z.array(window), notes });

/** SCHEDULE of the API. */
const scheduleView = z.object({
  scheduleId: z.string().meta({ example: SCHEDULE_ID }),
  instanceName: z.string().meta({ example: 'room-comfort-1' }),
  appName: z.string().meta({ example: 'room-comfort' }),
  version: z.string().nullable().meta({ example: '1.0.0' }),
  start: z.string().meta({ example: '2026-11-23T07:00:00.000Z' }),
  end: z.string().nullable().meta({ example: '2026-11-23T17:00:00.000Z' }),
  timezone: z.string().meta({ example: 'Europe/Berlin' }),
  recurrence: z.string().nullable().meta({ example: '0 8 * * 1-5' }),
  until: z.string().nullable().meta({ example: null }),
  overlap: z.enum(['skip', 'replace']),
  missed: z.enum(['once', 'skip']),
  paused: z.boolean(),
  state: z.enum(['waiting', 'active', 'paused', 'ended']),
  next: z.array(window),
  lastOutcome: z.object({ at: z.string(), text: z.string(), failed: z.boolean() }).optional(),
  createdAt: z.string().meta({ example: '2026-11-22T08:00:00.000Z' }),
  createdBy: z.string().meta({ example: 'alice' }),
});
type ScheduleView = z.infer<typeof scheduleView>;

/** How far it has come, as the scheduler says. */
const known = z.object({
  scheduleId: z.string(),
  paused: z.boolean(),
  state: z.enum(['waiting', 'active', 'paused', 'ended']),
  next: z.array(window),
});
type Known = z.infer<typeof known>;

const ALL_NEXT = 10;
/** In a list: reckoning ten for each of thousands would take seconds. */
const FEW_NEXT = 3;
const MANY_ROWS = 100;

/** Instances that start and end by themselves. */
export function scheduleRoutes(app: HttpApp, deps: ScheduleRouteDeps): void {
  const { schedules, client, log } = deps;
  const tags = ['schedules'];
  const description = 'Called by the front end and the CLI.';
  const params = z.object({ id: z.string().min(1).max(100) });

  const check = async (times: object): Promise<z.infer<typeof preview>> =>
    preview.parse(await client.call('scheduler', 'POST', '/preview', { body: times }));

  /** While the scheduler does not answer, what was asked for is all there is to show. */
  async function views(rows: readonly ScheduleRow[], next: number): Promise<ScheduleView[]> {
    const found = new Map<string, Known>();
    try {
      const body = { ids: rows.map(({ id }) => id), next };
      const answer =
        rows.length === 0 ? { schedules: [] } : await client.call('scheduler', 'POST', '/schedules/query', { body });
      for (const one of z.object({ schedules: z.array(known) }).parse(answer).schedules) found.set(one.scheduleId, one);
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'the scheduler could not be asked how far the schedules have come');
    }
    return rows.map((row) => viewOf(row, found.get(row.id)));
  }

  async function one(row: ScheduleRow): Promise<ScheduleView> {
    const [view] = await views([row], ALL_NEXT);
    if (!view) throw new AvkError('AVK_NOT_FOUND', `there is no schedule ${row.id}`);
    return view;
  }

  const list = (rows: readonly ScheduleRow[]): Promise<ScheduleView[]> =>
    views(rows, rows.length > MANY_ROWS ? 1 : FEW_NEXT);

  app.post(
    '/api/deployedApps/scheduleApp/',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'Deploys an instance on a schedule: one window, or a recurrence of windows',
        description: `${description} What is deployed is checked now, as for a deployment.`,
        body: z.strictObject({ ...deployShape, ...scheduleInputShape }),
        response: {
          201: z.object({
            scheduleId: z.string().meta({ example: SCHEDULE_ID }),
            instanceName: z.string().meta({ example: 'room-comfort-1' }),
            next: z.array(window),
            notes,
          }),
        },
      },
    },
    async (request, reply) => {
      const { appName, version, instanceName, config, scale, ...times } = request.body;
      const { schedule, next, notes } = await check(times);
      const wanted = { appName, version, instanceName, config, scale };
      const made = await schedules.create(wanted, schedule, callerOf(request));
      await deps.known(made.scheduleId);
      return reply.status(201).send({ ...made, next, notes });
    },
  );

  app.post(
    '/api/schedules/preview/',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'When a schedule would start, ten times at most; saves nothing',
        description: `${description} The notes explain what a person should know, such as changes of the clock.`,
        body: z.strictObject(scheduleInputShape),
        response: { 200: preview.omit({ schedule: true }) },
      },
    },
    async (request) => {
      const { next, notes } = await check(request.body);
      return { next, notes };
    },
  );

  app.get(
    '/api/schedules/',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'All schedules, ended ones too',
        description,
        response: { 200: z.object({ schedules: z.array(scheduleView) }) },
      },
    },
    async (request) => ({ schedules: await list(await schedules.list(callerOf(request))) }),
  );

  app.get(
    '/api/deployedApps/getScheduledApps/',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'Schedules that have something to come, with their next times',
        description,
        response: { 200: z.object({ apps: z.array(scheduleView) }) },
      },
    },
    async (request) => {
      const rows = await schedules.list(callerOf(request));
      const apps = await list(rows.filter((row) => row.over === 0));
      return { apps: apps.filter(({ state }) => state !== 'ended') };
    },
  );

  app.get(
    '/api/schedules/:id',
    {
      config: { access: 'user' },
      schema: { tags, summary: 'One schedule', description, params, response: { 200: scheduleView } },
    },
    async (request) => one(await schedules.find(callerOf(request), request.params.id)),
  );

  app.patch(
    '/api/schedules/:id',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'Pauses or resumes a schedule',
        description: `${description} What runs goes on and ends at its time; what would start meanwhile is left out. Repeating it is harmless.`,
        params,
        body: z.strictObject({ paused: z.boolean() }),
        response: { 200: scheduleView },
      },
    },
    async (request) => {
      const row = await schedules.find(callerOf(request), request.params.id);
      const answer = await client.call('scheduler', 'PATCH', `/schedules/${row.id}`, { body: request.body });
      return viewOf(row, known.parse(answer));
    },
  );

  app.delete(
    '/api/schedules/:id',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'Deletes a schedule; what it started runs on unless stop is set',
        description,
        params,
        querystring: z.object({ stop: z.stringbool().default(false) }),
        response: {
          200: z.object({ detail: z.string().meta({ example: 'the schedule is deleted; room-comfort-1 runs on' }) }),
        },
      },
    },
    async (request) => {
      const row = await schedules.find(callerOf(request), request.params.id);
      return { detail: await schedules.remove(row, request.query.stop) };
    },
  );
}

function viewOf(row: ScheduleRow, progress: Known | undefined): ScheduleView {
  const schedule = JSON.parse(row.schedule) as Schedule;
  const time = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
  return {
    scheduleId: row.id,
    instanceName: row.name,
    appName: row.app_name,
    version: row.version,
    start: new Date(schedule.start).toISOString(),
    end: time(schedule.end),
    timezone: schedule.timezone,
    recurrence: schedule.recurrence,
    until: time(schedule.until),
    overlap: schedule.overlap,
    missed: schedule.missed,
    paused: progress?.paused ?? false,
    state: progress?.state ?? (row.over === 1 ? 'ended' : 'waiting'),
    next: progress?.next ?? [],
    ...(row.last_at === null || row.last_text === null
      ? {}
      : {
          lastOutcome: { at: new Date(row.last_at).toISOString(), text: row.last_text, failed: row.last_failed === 1 },
        }),
    createdAt: new Date(row.created_at).toISOString(),
    createdBy: row.owner,
  };
}
