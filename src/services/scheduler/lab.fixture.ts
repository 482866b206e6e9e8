import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { eventually } from '../../../test/support/eventually.ts';
import { mulberry32 } from '../../../test/support/kernel-lab.ts';
import { createVirtualClock, type VirtualClock } from '../../../test/support/virtual-clock.ts';
import { createSqliteDatabases } from '../../adapters/database/sqlite.ts';
import { createSqliteBus } from '../../adapters/message-bus/sqlite.ts';
import { formatEnvelope, formatText, parseEnvelope } from '../../domain/message.ts';
import type { Schedule } from '../../domain/schedule.ts';
import { createTokens } from '../../kernel/auth.ts';
import { createHttpApp, type HttpApp } from '../../kernel/http/app.ts';
import type { Service } from '../../kernel/service.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { MessageBus } from '../../ports/message-bus.ts';
import { createScheduler } from './service.ts';
import { migrations, type SchedulerTables } from './store.ts';

const silent = (): void => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };
export const BEGIN = Date.UTC(2026, 0, 1);
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const iso = (ms: number): string => new Date(ms).toISOString();

/** A message on first_topic and the (virtual) time it was there. */
interface Told {
  text: string;
  at: number;
  requestId: string;
  data: Record<string, unknown>;
}

/** The real scheduler on SQLite, with a clock of the test's own; transactions are run twice at random. */
export class Lab {
  readonly directory = mkdtempSync(join(tmpdir(), 'avishkar-scheduler-'));
  readonly virtual: VirtualClock = createVirtualClock(BEGIN);
  /** How far somebody has set the wall clock. */
  set = 0;
  /** Called at each journal point. */
  atPoint: (point: string) => void = silent;
  told: Told[] = [];
  readonly clock: Clock = { ...this.virtual, now: () => this.virtual.now() + this.set };
  readonly bus: MessageBus = createSqliteBus({ path: join(this.directory, 'bus.db'), clock: this.clock });
  readonly key = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  private readonly chance = mulberry32(7);
  private service: Service | null = null;
  private database: Database<SchedulerTables> | null = null;
  private http: HttpApp | null = null;

  async begin(): Promise<void> {
    await this.bus.subscribe({
      topics: ['first_topic'],
      group: 'test',
      handler: async (delivery) => {
        const { msg, request_id: requestId, data = {} } = parseEnvelope(delivery.value);
        // A message may come twice; its receivers know it by this.
        if (this.told.some((one) => one.text === msg && one.requestId === requestId)) return;
        this.told.push({ text: msg, at: this.clock.now(), requestId, data });
      },
    });
    await this.start();
  }

  async start(): Promise<void> {
    const databases = createSqliteDatabases({ directory: this.directory, abortAndRerun: () => this.chance() < 0.3 });
    this.database = await databases.open<SchedulerTables>('scheduler', migrations);
    this.http = await createHttpApp({
      title: 'Scheduler',
      version: '0',
      description: '',
      tokens: await createTokens(this.key, this.clock),
      log,
      recentLogLines: () => [],
      metrics: new Registry(),
    });
    const { http, database, bus, clock } = {
      http: this.http,
      database: this.database,
      bus: this.bus,
      clock: this.clock,
    };
    this.service = createScheduler({ http, database, bus, clock, log, onJournal: (point) => this.atPoint(point) });
    await this.service.start();
  }

  async stop(): Promise<void> {
    await this.service?.stop();
    await this.http?.close();
    await this.database?.close();
  }

  async end(): Promise<void> {
    await this.stop();
    await this.bus.close();
    rmSync(this.directory, { recursive: true });
  }

  /** As the application manager sends it. */
  async schedule(id: string, given: Partial<Schedule>, name = id): Promise<void> {
    const start = given.start ?? BEGIN + HOUR;
    const schedule: Schedule = {
      start,
      end: null,
      timezone: 'UTC',
      wall: start,
      recurrence: null,
      until: null,
      overlap: 'skip',
      missed: 'once',
      ...given,
    };
    const data = { scheduleId: id, schedule, madeAt: this.clock.now() };
    await this.send(`schedule ${id}`, formatText('schedule app', { name, start: iso(start), end: '' }), name, data);
  }

  async send(requestId: string, msg: string, name: string, data: Record<string, unknown> = {}): Promise<void> {
    const envelope = {
      to_topic: 'Scheduler',
      from_topic: 'ApplicationManager',
      request_id: requestId,
      msg,
      data,
    } as const;
    await this.bus.publish([{ topic: 'Scheduler', key: name, value: formatEnvelope(envelope) }]);
  }

  /** Waits until so many messages with that beginning have come; what was put off for a moment gets its moment. */
  async comes(text: string, count = 1): Promise<Told[]> {
    const found = (): Told[] => this.told.filter((one) => one.text.startsWith(text));
    return eventually(async () => {
      if (found().length < count) await this.virtual.advance(20);
      return found().length >= count ? found() : null;
    });
  }

  /** Lets time pass, and gives what it began the time to end. */
  async advance(ms: number): Promise<void> {
    await this.virtual.advance(ms);
    await this.virtual.advance(0);
  }

  /** Takes the wall clock to the time in one go but for the last two seconds: nothing may be due before that. */
  async until(time: number): Promise<void> {
    const ahead = time - this.clock.now();
    if (ahead > 2000) this.set += ahead - 2000;
    await this.advance(2040);
  }

  async patch(id: string, paused: boolean): Promise<number> {
    const tokens = await createTokens(this.key, this.clock);
    const { token } = await tokens.issue({ kind: 'service', name: 'test' }, 60);
    const response = await this.http?.inject({
      method: 'PATCH',
      url: `/schedules/${id}`,
      headers: { authorization: `Bearer ${token}` },
      payload: { paused },
    });
    return response?.statusCode ?? 0;
  }

  texts(): string[] {
    return this.told.map(({ text }) => text);
  }
}
