import { createHash } from 'node:crypto';
import { z } from 'zod';
import { nameSchema } from '../../domain/names.ts';
import { scheduleSchema } from '../../domain/schedule-input.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import { createMessenger, type Message, type Unit } from '../../kernel/messenger.ts';
import type { Metrics } from '../../kernel/metrics.ts';
import type { Service } from '../../kernel/service.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { MessageBus } from '../../ports/message-bus.ts';
import { createAlarm } from './alarm.ts';
import { routes } from './routes.ts';
import { addRow, forgetOld, type ScheduleRow, type SchedulerTables, writeRows } from './store.ts';
import { createTicker } from './ticker.ts';

/*
 * The scheduler owns the times: which windows there are, and how far each schedule has come. On topic Scheduler it takes
 * `schedule app$NAME$START$END` (and `unschedule app$NAME`), answers `done schedule app$NAME` on first_topic, and when
 * it is time says `its time$NAME` and `its end time$NAME` there, each once per occurrence: a schedule's progress and the
 * message about it are one transaction. What is deployed at that time is the application manager's business.
 */

export interface SchedulerDeps {
  http: HttpApp;
  database: Database<SchedulerTables>;
  bus: MessageBus;
  clock: Clock;
  log: Log;
  /** Absent: nothing is counted. */
  metrics?: Metrics | undefined;
  onJournal?: (point: string) => void;
}

type T = SchedulerTables;

const KEEP_ENDED_MS = 30 * 86_400_000;

/** With a schedule from the application manager, which had it checked; without one from a program that has only the text. */
const askedBy = z.object({ scheduleId: z.string().min(1).max(100), schedule: scheduleSchema, madeAt: z.number() });
const text = z.string().max(500);
const extras = z.object({
  timezone: text.optional(),
  recurrence: text.nullish(),
  until: text.nullish(),
  overlap: z.enum(['skip', 'replace']).optional(),
  missed: z.enum(['once', 'skip']).optional(),
});
const named = z.object({ scheduleId: z.string() });

export function createScheduler(deps: SchedulerDeps): Service {
  const { database, clock, log } = deps;
  const messenger = createMessenger<T>({
    service: 'scheduler',
    listens: ['Scheduler'],
    from: 'Scheduler',
    database,
    bus: deps.bus,
    clock,
    log,
    metrics: deps.metrics,
  });
  const ticker = createTicker({ messenger, database, clock, log, onJournal: deps.onJournal });
  const alarm = createAlarm({ clock, log, ring: () => ticker.tick() });

  messenger.onCommand('schedule app', scheduleApp);
  messenger.onCommand('unschedule app', unscheduleApp);
  routes(deps.http, {
    database,
    clock,
    async pause(id, paused) {
      await ticker.pause(id, paused);
      alarm.poke();
    },
  });

  async function scheduleApp(unit: Unit<T>, message: Message<'schedule app'>): Promise<void> {
    const { name, start, end } = message.fields;
    const checked = askedBy.safeParse(message.data);
    const more = extras.safeParse(message.data);
    const unusable = checked.success ? null : (nameSchema.safeParse(name).error ?? more.error);
    if (unusable) {
      const reason = unusable.issues.map((issue) => `${issue.path.join('.') || 'name'}: ${issue.message}`).join('; ');
      unit.send('first_topic', 'error schedule', { name, reason }, message.requestId);
      return;
    }
    const given = { start, ...(end === '' ? {} : { end }), ...more.data };
    const now = clock.now();
    const row: ScheduleRow = {
      // The same message is the same schedule.
      id: checked.data?.scheduleId ?? `m-${createHash('sha256').update(message.requestId).digest('hex').slice(0, 24)}`,
      name,
      state: 'new',
      given: checked.success ? null : JSON.stringify(given),
      schedule: checked.success ? JSON.stringify(checked.data.schedule) : null,
      foreign: checked.success ? 0 : 1,
      paused: 0,
      handled: 0,
      active_start: null,
      active_end: null,
      next_at: 0,
      request_id: message.requestId,
      made_at: checked.data?.madeAt ?? message.sentAt,
      changed_at: now,
    };
    await addRow(unit.tx, row);
    unit.after(() => alarm.poke());
  }

  async function unscheduleApp(unit: Unit<T>, message: Message<'unschedule app'>): Promise<void> {
    const about = named.safeParse(message.data);
    if (!about.success) {
      log.warn({ name: message.fields.name }, 'which schedule to delete was not said: data.scheduleId is missing');
      return;
    }
    const { scheduleId: id } = about.data;
    const now = clock.now();
    // Also one that is not known yet: the message that makes it may come late.
    const tombstone: ScheduleRow = {
      id,
      name: message.fields.name,
      state: 'deleted',
      given: null,
      schedule: null,
      foreign: 0,
      paused: 0,
      handled: 0,
      active_start: null,
      active_end: null,
      next_at: null,
      request_id: message.requestId,
      made_at: now,
      changed_at: now,
    };
    await writeRows(unit.tx, [tombstone]);
  }

  return {
    name: 'scheduler',
    http: deps.http,
    async start() {
      await database.transaction((tx) => forgetOld(tx, clock.now() - KEEP_ENDED_MS));
      await messenger.start();
      alarm.poke();
    },
    async stop() {
      await alarm.stop();
      await messenger.stop();
    },
  };
}
