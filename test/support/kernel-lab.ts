import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/adapters/clock/system.ts';
import { createSqliteDatabases } from '../../src/adapters/database/sqlite.ts';
import { createSqliteBus } from '../../src/adapters/message-bus/sqlite.ts';
import type { Topic } from '../../src/domain/message.ts';
import {
  createMessenger,
  type Messenger,
  type MessengerTables,
  messengerMigrations,
} from '../../src/kernel/messenger.ts';
import { createSagas } from '../../src/kernel/saga.ts';
import type { Sagas } from '../../src/kernel/saga-definition.ts';
import { type SagaTables, sagaMigrations } from '../../src/kernel/saga-store.ts';
import type { Clock, Timer } from '../../src/ports/clock.ts';
import type { Database } from '../../src/ports/database.ts';
import type { Log } from '../../src/ports/log.ts';
import type { MessageBus, Subscription } from '../../src/ports/message-bus.ts';

export interface LabTables extends MessengerTables, SagaTables {
  /** What the service under test did, in order. */
  acts: { id: number | null; act: string };
}

const migrations = {
  ...messengerMigrations,
  ...sagaMigrations,
  '0003_acts': {
    async up(db: Parameters<(typeof sagaMigrations)[string]['up']>[0]) {
      await db.schema
        .createTable('acts')
        .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
        .addColumn('act', 'text', (c) => c.notNull())
        .execute();
    },
  },
};

/** One start of a service: its tables, its messenger and its sagas. */
export interface LabService {
  database: Database<LabTables>;
  messenger: Messenger<LabTables>;
  sagas: Sagas<LabTables>;
  acts(): Promise<string[]>;
  /** Ends it in order. */
  stop(): Promise<void>;
  /** From now on it neither writes nor publishes nor is delivered anything: what a crash leaves. Closes nothing. */
  crash(): void;
}

export interface LabServiceOptions {
  service?: string;
  listens?: readonly Topic[];
  clock?: Clock;
  onJournal?: (point: string) => void;
  /** Called when messages are on the bus, before the service knows. */
  onPublished?: () => void;
}

export interface KernelLab {
  bus: MessageBus;
  service(options?: LabServiceOptions): Promise<LabService>;
  /** Closes the bus and opens it again. */
  reopenBus(): Promise<void>;
  /** Sentences the services logged, warnings and errors. */
  logged: string[];
  cleanup(): Promise<void>;
}

/** The kernel on the real SQLite adapters, transactions run twice at random. */
export async function kernelLab(seed: number): Promise<KernelLab> {
  const directory = await mkdtemp(join(tmpdir(), 'avk-kernel-'));
  const chance = mulberry32(seed);
  const openBus = (): MessageBus => createSqliteBus({ path: join(directory, 'bus.db'), clock: systemClock });
  const databases = createSqliteDatabases({ directory, abortAndRerun: () => chance() < 0.5 });
  const opened: Database<LabTables>[] = [];
  const logged: string[] = [];
  const note = (_fields: object, message: string): void => {
    logged.push(message);
  };
  const log: Log = { debug: () => undefined, info: () => undefined, warn: note, error: note };

  const lab: KernelLab = {
    bus: openBus(),
    logged,
    async reopenBus() {
      await lab.bus.close();
      lab.bus = openBus();
    },
    async service(options = {}) {
      const name = options.service ?? 'deployment-manager';
      let dead = false;
      const { promise: died, reject: die } = Promise.withResolvers<never>();
      died.catch(() => undefined);
      // A process that is gone does nothing more: its promises stay as they are.
      const never = <T>(): Promise<T> => new Promise<T>(() => undefined);
      const clock = mortalClock(options.clock ?? systemClock);
      const real = await databases.open<LabTables>(name, migrations);
      opened.push(real);
      const database: Database<LabTables> = {
        epoch: real.epoch,
        read: real.read,
        close: () => real.close(),
        async transaction(fn) {
          if (dead) return never();
          try {
            const value = await real.transaction(async (tx) => {
              const result = await fn(tx);
              // Before the commit: rolled back.
              if (dead) throw new Error('this process is dead');
              return result;
            });
            return dead ? never() : value;
          } catch (error) {
            if (dead) return never();
            throw error;
          }
        },
      };
      const subscriptions: Promise<Subscription>[] = [];
      const bus: MessageBus = {
        async publish(messages) {
          if (dead) return never();
          await lab.bus.publish(messages);
          options.onPublished?.();
          return dead ? never() : undefined;
        },
        subscribe(subscribe) {
          const subscription = lab.bus.subscribe({
            ...subscribe,
            backoffMs: 10,
            handler: (delivery) => Promise.race([subscribe.handler(delivery), died]),
          });
          subscriptions.push(subscription);
          return subscription;
        },
        close: async () => undefined,
      };
      const messenger = createMessenger<LabTables>({
        service: name,
        listens: options.listens ?? ['DeploymentManager'],
        from: 'DeploymentManager',
        database,
        bus,
        clock,
        log,
      });
      const sagas = createSagas<LabTables>({
        settleMs: 50,
        database,
        messenger,
        clock,
        log,
        ...(options.onJournal ? { onJournal: options.onJournal } : {}),
      });
      return {
        database,
        messenger,
        sagas,
        async acts() {
          const rows = await real.read.selectFrom('acts').select('act').orderBy('id').execute();
          return rows.map(({ act }) => act);
        },
        async stop() {
          await messenger.stop();
          await sagas.stop();
          await real.close();
        },
        crash() {
          dead = true;
          die(new Error('this process is dead'));
          clock.stop();
          for (const subscription of subscriptions) void subscription.then((live) => live.stop());
        },
      };
    },
    async cleanup() {
      await lab.bus.close();
      await Promise.allSettled(opened.map((database) => database.close()));
      await rm(directory, { recursive: true, force: true });
    },
  };
  return lab;
}

/** A clock whose timers end with the process. */
function mortalClock(clock: Clock): Clock & { stop(): void } {
  const timers = new Set<Timer>();
  let stopped = false;
  const own: Clock & { stop(): void } = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after(ms, fn, options) {
      if (stopped) return { cancel: () => undefined };
      const timer = clock.after(
        ms,
        () => {
          timers.delete(timer);
          fn();
        },
        options,
      );
      timers.add(timer);
      return {
        cancel() {
          timers.delete(timer);
          timer.cancel();
        },
      };
    },
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const leave = (): void => {
          timer.cancel();
          reject(signal?.reason);
        };
        const timer = own.after(ms, () => {
          signal?.removeEventListener('abort', leave);
          resolve();
        });
        signal?.addEventListener('abort', leave, { once: true });
      }),
    stop() {
      stopped = true;
      for (const timer of timers) timer.cancel();
      timers.clear();
    },
  };
  return own;
}

/** A small seeded generator, uniform in [0, 1). */
export function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
