import { AvkError } from '../../domain/errors.ts';
import { PLATFORM_STATES, type PlatformState } from '../../domain/service-plan.ts';
import type { Events } from '../../kernel/events.ts';
import type { Messenger } from '../../kernel/messenger.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { ApplicationManagerTables, Db } from './store.ts';

type T = ApplicationManagerTables;

/** The platform's state as the application manager was told it last. */
export interface PlatformNews {
  state: PlatformState;
  reason: string;
  /** Milliseconds since the epoch. */
  since: number;
}

/** What the platform's being stopped means for users' requests, and the way to start and stop it. */
export interface PlatformGate {
  current(): Promise<PlatformNews>;
  /** Asks on topic Bootstrapper. Nothing is accepted any more as soon as a stop was asked for. */
  toggle(verb: 'start' | 'stop'): Promise<{ requestId: string }>;
}

export interface PlatformGateDeps {
  messenger: Messenger<T>;
  database: { read: Db };
  clock: Clock;
  random: Random;
  changed: Events<PlatformNews>;
}

/** @throws AvkError AVK_PLATFORM_STOPPED for what nobody would carry out */
export async function requireStarted(db: Db): Promise<void> {
  const row = await db.selectFrom('platform').select('state').where('id', '=', 1).executeTakeFirst();
  if (row?.state !== 'stopped' && row?.state !== 'stopping') return;
  throw new AvkError(
    'AVK_PLATFORM_STOPPED',
    `the platform is ${row.state}; apps and their addresses stay, but nothing new is accepted until an administrator starts it`,
  );
}

export function createPlatformGate(deps: PlatformGateDeps): PlatformGate {
  const { messenger, clock, random, changed } = deps;

  messenger.onAnswer('state platform', async (unit, message) => {
    const state = PLATFORM_STATES.find((known) => known === message.fields.state);
    const serial = Number(message.data.serial ?? 0);
    if (!state) return;
    const before = await unit.tx.selectFrom('platform').select('serial').where('id', '=', 1).executeTakeFirst();
    if (before && before.serial >= serial) return;
    const since = typeof message.data.since === 'number' ? message.data.since : clock.now();
    const values = { state, reason: message.fields.reason, since, serial };
    await unit.tx
      .insertInto('platform')
      .values({ id: 1, ...values })
      .onConflict((conflict) => conflict.column('id').doUpdateSet(values))
      .execute();
    unit.after(() => changed.publish({ state, reason: message.fields.reason, since }));
  });

  return {
    async current() {
      const row = await deps.database.read.selectFrom('platform').selectAll().where('id', '=', 1).executeTakeFirst();
      return { state: row?.state ?? 'starting', reason: row?.reason ?? '', since: row?.since ?? clock.now() };
    },
    async toggle(verb) {
      const requestId = random.uuid();
      await messenger.transaction(async (unit) => {
        unit.send('Bootstrapper', `${verb} platform`, {}, requestId);
        if (verb === 'start') return;
        const since = clock.now();
        await unit.tx
          .updateTable('platform')
          .set({ state: 'stopping', reason: '', since })
          .where('id', '=', 1)
          .where('state', '!=', 'stopped')
          .execute();
      });
      return { requestId };
    },
  };
}
