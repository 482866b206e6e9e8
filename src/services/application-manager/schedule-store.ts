import type { Kysely, Selectable } from 'kysely';
import type { Migration } from 'kysely/migration';
import { nameKey } from '../../domain/names.ts';

export interface ScheduleTables {
  /** What is deployed when the scheduler says that it is time. When that is, is the scheduler's. */
  schedules: {
    id: string;
    name_key: string;
    /** The instance. */
    name: string;
    owner: string;
    app_name: string;
    /** Null: the newest one at each start. */
    version: string | null;
    /** JSON of the DeployRequest, sealed, as it may hold secrets. */
    request: string;
    /** JSON of the Schedule, to show it while the scheduler does not answer. */
    schedule: string;
    /** 1 when nothing starts any more: the name is free. */
    over: number;
    /** The occurrence that starts as soon as what has the name has ended. */
    waiting: string | null;
    /** The occurrence deployed last, and `created_at` of what was deployed: only that one is stopped at its end. */
    running: string | null;
    running_since: number | null;
    last_at: number | null;
    last_text: string | null;
    /** 1 when that was a failure. */
    last_failed: number;
    created_at: number;
  };
}

export type ScheduleRow = Selectable<ScheduleTables['schedules']>;
type Db<Tables extends ScheduleTables> = Kysely<Tables>;

export const scheduleMigrations: Record<string, Migration> = {
  '0110_schedules': {
    async up(db) {
      await db.schema
        .createTable('schedules')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('name_key', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('owner', 'text', (c) => c.notNull())
        .addColumn('app_name', 'text', (c) => c.notNull())
        .addColumn('version', 'text')
        .addColumn('request', 'text', (c) => c.notNull())
        .addColumn('schedule', 'text', (c) => c.notNull())
        .addColumn('over', 'integer', (c) => c.notNull())
        .addColumn('waiting', 'text')
        .addColumn('running', 'text')
        .addColumn('running_since', 'bigint')
        .addColumn('last_at', 'bigint')
        .addColumn('last_text', 'text')
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('schedules_name').on('schedules').column('name_key').execute();
    },
  },
  '0130_schedule_failures': {
    async up(db) {
      await db.schema
        .alterTable('schedules')
        .addColumn('last_failed', 'integer', (c) => c.notNull().defaultTo(0))
        .execute();
    },
  },
};

export async function readSchedules<Tables extends ScheduleTables>(db: Db<Tables>): Promise<ScheduleRow[]> {
  return own(db).selectFrom('schedules').selectAll().orderBy('created_at').execute();
}

export async function readScheduleRow<Tables extends ScheduleTables>(
  db: Db<Tables>,
  id: string,
): Promise<ScheduleRow | undefined> {
  return own(db).selectFrom('schedules').selectAll().where('id', '=', id).executeTakeFirst();
}

/** The schedule that the name is kept for. */
export async function readKept<Tables extends ScheduleTables>(
  db: Db<Tables>,
  name: string,
): Promise<ScheduleRow | undefined> {
  const query = own(db).selectFrom('schedules').selectAll().where('name_key', '=', nameKey(name));
  return query.where('over', '=', 0).executeTakeFirst();
}

/** The schedule that waits for the end of what has the name. */
export async function readWaiting<Tables extends ScheduleTables>(
  db: Db<Tables>,
  name: string,
): Promise<ScheduleRow | undefined> {
  const query = own(db).selectFrom('schedules').selectAll().where('name_key', '=', nameKey(name));
  return query.where('waiting', 'is not', null).executeTakeFirst();
}

export async function changeSchedule<Tables extends ScheduleTables>(
  db: Db<Tables>,
  id: string,
  change: Partial<ScheduleRow>,
): Promise<void> {
  await own(db).updateTable('schedules').set(change).where('id', '=', id).execute();
}

/** Of those that are over since before then nobody asks any more. */
export async function forgetSchedules<Tables extends ScheduleTables>(db: Db<Tables>, before: number): Promise<void> {
  await own(db)
    .deleteFrom('schedules')
    .where('over', '=', 1)
    .where((where) => where.fn.coalesce('last_at', 'created_at'), '<', before)
    .where('waiting', 'is', null)
    .execute();
}

function own<Tables extends ScheduleTables>(db: Db<Tables>): Kysely<ScheduleTables> {
  return db as unknown as Kysely<ScheduleTables>;
}
