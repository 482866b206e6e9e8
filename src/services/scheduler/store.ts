import type { Kysely, Selectable } from 'kysely';
import type { Migration } from 'kysely/migration';
import { type MessengerTables, messengerMigrations } from '../../kernel/messenger.ts';

export interface SchedulerTables extends MessengerTables {
  schedules: {
    id: string;
    /** The instance. */
    name: string;
    /**
     * new: taken from a message and not looked at yet. ended: nothing comes any more. deleted: kept for a while, so that
     * a message that comes late does not bring it back.
     */
    state: 'new' | 'live' | 'ended' | 'deleted';
    /** JSON of what a program asked for by the bare text, until it was checked. */
    given: string | null;
    /** JSON of the Schedule. */
    schedule: string | null;
    /** 1: made by a program, not by the application manager. */
    foreign: number;
    paused: number;
    /** Every start up to here has been decided about. */
    handled: number;
    /** The occurrence that was told to start and not to end. */
    active_start: number | null;
    active_end: number | null;
    /** When to look at it again. */
    next_at: number | null;
    request_id: string;
    made_at: number;
    changed_at: number;
  };
}

export type ScheduleRow = Selectable<SchedulerTables['schedules']>;
type Db = Kysely<SchedulerTables>;

export const migrations: Record<string, Migration> = {
  ...messengerMigrations,
  '0100_scheduler': {
    async up(db) {
      await db.schema
        .createTable('schedules')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('given', 'text')
        .addColumn('schedule', 'text')
        .addColumn('foreign', 'integer', (c) => c.notNull())
        .addColumn('paused', 'integer', (c) => c.notNull())
        .addColumn('handled', 'bigint', (c) => c.notNull())
        .addColumn('active_start', 'bigint')
        .addColumn('active_end', 'bigint')
        .addColumn('next_at', 'bigint')
        .addColumn('request_id', 'text', (c) => c.notNull())
        .addColumn('made_at', 'bigint', (c) => c.notNull())
        .addColumn('changed_at', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('schedules_next').on('schedules').column('next_at').execute();
    },
  },
};

/** SQLite takes 32,766 parameters at most, and nobody should wait long for a transaction. */
export const BATCH = 500;

export async function readDue(db: Db, now: number): Promise<ScheduleRow[]> {
  return db.selectFrom('schedules').selectAll().where('next_at', '<=', now).orderBy('next_at').limit(BATCH).execute();
}

export async function readRows(db: Db, ids: readonly string[]): Promise<ScheduleRow[]> {
  const rows: ScheduleRow[] = [];
  for (let from = 0; from < ids.length; from += BATCH) {
    const part = ids.slice(from, from + BATCH);
    rows.push(...(await db.selectFrom('schedules').selectAll().where('id', 'in', part).execute()));
  }
  return rows;
}

/** When the next one is due; null when none will be. */
export async function nextDue(db: Db): Promise<number | null> {
  const row = await db
    .selectFrom('schedules')
    .select('next_at')
    .where('next_at', 'is not', null)
    .orderBy('next_at')
    .limit(1)
    .executeTakeFirst();
  return row?.next_at ?? null;
}

/** Many at once: a statement each would take longer than all the rest. */
export async function writeRows(db: Db, rows: readonly ScheduleRow[]): Promise<void> {
  for (let from = 0; from < rows.length; from += BATCH) {
    await db
      .insertInto('schedules')
      .values(rows.slice(from, from + BATCH))
      .onConflict((conflict) =>
        conflict.column('id').doUpdateSet((to) => ({
          state: to.ref('excluded.state'),
          given: to.ref('excluded.given'),
          schedule: to.ref('excluded.schedule'),
          paused: to.ref('excluded.paused'),
          handled: to.ref('excluded.handled'),
          active_start: to.ref('excluded.active_start'),
          active_end: to.ref('excluded.active_end'),
          next_at: to.ref('excluded.next_at'),
          changed_at: to.ref('excluded.changed_at'),
        })),
      )
      .execute();
  }
}

/** Adds it unless it is there, also as one that was deleted. */
export async function addRow(db: Db, row: ScheduleRow): Promise<void> {
  await db
    .insertInto('schedules')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function forgetOld(db: Db, before: number): Promise<void> {
  await db
    .deleteFrom('schedules')
    .where('state', 'in', ['ended', 'deleted'])
    .where('changed_at', '<', before)
    .execute();
}
