import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { systemClock } from '../src/adapters/clock/system.ts';
import { createSqliteDatabases } from '../src/adapters/database/sqlite.ts';
import { createSqliteBus } from '../src/adapters/message-bus/sqlite.ts';
import { formatEnvelope, formatText, parseEnvelope } from '../src/domain/message.ts';
import type { Schedule } from '../src/domain/schedule.ts';
import { createTokens } from '../src/kernel/auth.ts';
import { createHttpApp } from '../src/kernel/http/app.ts';
import type { Log } from '../src/ports/log.ts';
import type { BusMessage, MessageBus } from '../src/ports/message-bus.ts';
import { createScheduler } from '../src/services/scheduler/service.ts';
import { migrations, type SchedulerTables } from '../src/services/scheduler/store.ts';
import { type Figure, figure } from './figures.ts';
import { within } from './platform.ts';
import { withScratch } from './scratch.ts';

const SCHEDULES = 10_000;
const QUICK_SCHEDULES = 2000;
/** All of them fall due within this. */
const SPREAD_MS = 10_000;
/** Longer than it takes to accept them. */
const AHEAD_MS = 90_000;
const QUICK_AHEAD_MS = 25_000;
const DEADLINE_MS = 180_000;
const BATCH = 100;
const HOUR_MS = 3_600_000;

/** Half of them single windows, a quarter each daily and weekly: what is due next is reckoned while others are due. */
const RECURRENCES = [null, 'FREQ=DAILY', null, 'FREQ=WEEKLY'];

/** How late the starts of many schedules are: from the time in the schedule to its `its time$NAME` on the bus. */
export function benchSchedules(options: { quick: boolean }): Promise<Figure[]> {
  const count = options.quick ? QUICK_SCHEDULES : SCHEDULES;
  return withScratch(async (scratch) => {
    const { lateness, seconds } = await throughScheduler(join(scratch.folder, 'ours'), count, options.quick);
    const bare = await bareTimers(join(scratch.folder, 'bare.db'), count);
    const reference = { what: 'bare timers of this process, each one fsynced SQLite insert', measured: bare };
    return [
      figure({
        name: `lateness of ${count.toLocaleString('en')} schedules due within ${SPREAD_MS / 1000} s`,
        unit: 'ms',
        ours: lateness,
        reference,
        target: { text: 'p99 <= 250 ms', met: ({ p99 }) => p99 !== null && p99 <= 250 },
        notes: [
          'from the time in the schedule to `its time$NAME` on the bus, on disk (the bus’s own time stamp); half windows, half recurrences',
          `all were made by messages before, and accepted in ${seconds.toFixed(1)} s; none was told early or twice`,
        ],
      }),
    ];
  });
}

async function throughScheduler(
  folder: string,
  count: number,
  quick: boolean,
): Promise<{ lateness: number[]; seconds: number }> {
  const bus = createSqliteBus({ path: join(folder, 'bus.db'), clock: systemClock });
  const database = await createSqliteDatabases({ directory: folder }).open<SchedulerTables>('scheduler', migrations);
  const http = await createHttpApp({
    title: 'Scheduler',
    version: '0',
    description: '',
    tokens: await createTokens(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }), systemClock),
    log: onStderr,
    recentLogLines: () => [],
    metrics: new Registry(),
  });
  const scheduler = createScheduler({ http, database, bus, clock: systemClock, log: onStderr });
  const accepted = Promise.withResolvers<void>();
  const told = Promise.withResolvers<void>();
  const lateness: number[] = [];
  const seen = new Set<string>();
  let known = 0;
  await bus.subscribe({
    topics: ['first_topic'],
    group: 'bench',
    handler: async (delivery) => {
      const { msg, request_id: requestId, data } = parseEnvelope(delivery.value);
      if (msg.startsWith('done schedule app$')) known += 1;
      if (known === count) accepted.resolve();
      if (!msg.startsWith('its time$')) return;
      const late = delivery.publishedAt - Date.parse(String(data?.occurrence));
      if (late < 0 || seen.has(requestId)) told.reject(new Error(`${msg} came early or twice: ${late} ms`));
      seen.add(requestId);
      lateness.push(late);
      if (seen.size === count) told.resolve();
    },
  });
  try {
    await scheduler.start();
    const first = Date.now() + (quick ? QUICK_AHEAD_MS : AHEAD_MS);
    const begin = performance.now();
    await publishAll(bus, count, first);
    await within(DEADLINE_MS, 'all schedules to be accepted', accepted.promise);
    const seconds = (performance.now() - begin) / 1000;
    if (Date.now() >= first)
      throw new Error(`accepting them took ${seconds.toFixed(1)} s, longer than the first one waits`);
    process.stderr.write(`schedules: ${count} accepted in ${seconds.toFixed(1)} s; waiting for their time\n`);
    await within(DEADLINE_MS, 'all starts to be told', told.promise);
    return { lateness, seconds };
  } finally {
    await scheduler.stop();
    await bus.close();
    await database.close();
  }
}

async function publishAll(bus: MessageBus, count: number, first: number): Promise<void> {
  for (let sent = 0; sent < count; sent += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, count - sent) }, (_, n) => message(sent + n, count, first));
    await bus.publish(batch);
  }
}

/** As the application manager sends them. */
function message(n: number, count: number, first: number): BusMessage {
  const name = `app-${n}`;
  const recurrence = RECURRENCES[n % RECURRENCES.length] ?? null;
  const start = Math.round(first + (n / count) * SPREAD_MS);
  const schedule: Schedule = {
    start,
    end: start + HOUR_MS,
    timezone: 'Europe/Berlin',
    wall: start + HOUR_MS,
    recurrence,
    until: null,
    overlap: 'skip',
    missed: 'once',
  };
  const envelope = {
    to_topic: 'Scheduler',
    from_topic: 'ApplicationManager',
    request_id: `request-${n}`,
    msg: formatText('schedule app', { name, start: new Date(start).toISOString(), end: '' }),
    data: { scheduleId: `schedule-${n}`, schedule, madeAt: Date.now() },
  } as const;
  return { topic: 'Scheduler', key: name, value: formatEnvelope(envelope) };
}

/** What one could do by hand: a timer each, and on it a row that survives a power cut. */
async function bareTimers(path: string, count: number): Promise<number[]> {
  const db = new DatabaseSync(path);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE told (n INTEGER, at INTEGER)');
  const insert = db.prepare('INSERT INTO told VALUES (?, ?)');
  const lateness: number[] = [];
  const done = Promise.withResolvers<void>();
  const first = Date.now() + 1000;
  for (let n = 0; n < count; n += 1) {
    const due = Math.round(first + (n / count) * SPREAD_MS);
    setTimeout(() => {
      insert.run(n, due);
      lateness.push(Date.now() - due);
      if (lateness.length === count) done.resolve();
    }, due - Date.now());
  }
  await within(DEADLINE_MS, 'all timers', done.promise);
  await sleep(0);
  db.close();
  return lateness;
}

const silent = (): void => undefined;
const tell = (fields: object, text: string): void => {
  process.stderr.write(`${text} ${JSON.stringify(fields)}\n`);
};
const onStderr: Log = { debug: silent, info: silent, warn: tell, error: tell };
