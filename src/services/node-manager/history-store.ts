import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import type { Span } from '../../domain/history.ts';

/** What a machine looked like: as it was sampled for a day, then one row a minute for a week. */
export interface HistoryTables {
  node_samples: { node: string; at: number; cpu: number; memory: number; disk: number };
  node_minutes: { node: string; at: number; cpu: number; memory: number; disk: number };
}

export type Sample = HistoryTables['node_samples'];
/** Milliseconds since the Unix epoch; then CPU, memory and disk in percent. */
export type Point = [at: number, cpu: number, memory: number, disk: number];

export const historyMigrations: Record<string, Migration> = {
  '0101_node_minutes': {
    async up(db) {
      await db.schema
        .createTable('node_minutes')
        .addColumn('node', 'text', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('cpu', 'real', (c) => c.notNull())
        .addColumn('memory', 'real', (c) => c.notNull())
        .addColumn('disk', 'real', (c) => c.notNull())
        .addPrimaryKeyConstraint('node_minutes_pk', ['node', 'at'])
        .execute();
      await db.schema.createIndex('node_samples_at').on('node_samples').column('at').execute();
      await db.schema.createIndex('node_minutes_at').on('node_minutes').column('at').execute();
    },
  },
};

const MINUTE_MS = 60_000;
/** Samples are kept as they are for this long, then as the mean of each minute. */
export const KEEP_SAMPLES_MS = 24 * 3600 * 1000;
/** History older than this is deleted, also without being asked. */
export const KEEP_HISTORY_MS = 7 * 24 * 3600 * 1000;

type Db = Kysely<HistoryTables>;

/** One that was taken in the same second already is replaced: that bounds the table, however often one is asked for. */
export async function insertSamples(tx: Db, samples: readonly Sample[]): Promise<void> {
  if (samples.length === 0) return;
  await tx
    .insertInto('node_samples')
    .values(samples.map((sample) => ({ ...sample, at: sample.at - (sample.at % 1000) })))
    .onConflict((conflict) =>
      conflict.columns(['node', 'at']).doUpdateSet((set) => ({
        cpu: set.ref('excluded.cpu'),
        memory: set.ref('excluded.memory'),
        disk: set.ref('excluded.disk'),
      })),
    )
    .execute();
}

/** Makes whole minutes of the samples that are old enough. */
export async function thinSamples(tx: Db, now: number): Promise<void> {
  const before = startOf(now - KEEP_SAMPLES_MS, MINUTE_MS);
  await tx
    .insertInto('node_minutes')
    .columns(['node', 'at', 'cpu', 'memory', 'disk'])
    .expression((from) =>
      from
        .selectFrom('node_samples')
        .select((column) => [
          'node',
          step(MINUTE_MS).as('minute'),
          column.fn.avg<number>('cpu').as('cpu'),
          column.fn.avg<number>('memory').as('memory'),
          column.fn.avg<number>('disk').as('disk'),
        ])
        .where('at', '<', before)
        .groupBy(['node', 'minute']),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  await tx.deleteFrom('node_samples').where('at', '<', before).execute();
}

export async function deleteOldHistory(tx: Db, now: number): Promise<void> {
  const before = now - KEEP_HISTORY_MS;
  await tx.deleteFrom('node_samples').where('at', '<', before).execute();
  await tx.deleteFrom('node_minutes').where('at', '<', before).execute();
}

/** The machine's figures as the mean of each step; steps without any are left out. */
export async function readHistory(db: Db, node: string, { from, to, stepMs }: Span): Promise<Point[]> {
  const rows = await db
    .selectFrom((inner) =>
      inner
        .selectFrom('node_samples')
        .selectAll()
        .where('node', '=', node)
        .where('at', '>=', from)
        .where('at', '<=', to)
        .unionAll(
          inner
            .selectFrom('node_minutes')
            .selectAll()
            .where('node', '=', node)
            .where('at', '>=', from)
            .where('at', '<=', to),
        )
        .as('known'),
    )
    .select((column) => [
      step(stepMs).as('start'),
      column.fn.avg<number>('cpu').as('cpu'),
      column.fn.avg<number>('memory').as('memory'),
      column.fn.avg<number>('disk').as('disk'),
    ])
    .groupBy('start')
    .orderBy('start')
    .execute();
  return rows.map(({ start, cpu, memory, disk }) => [start, round(cpu), round(memory), round(disk)]);
}

/** The start of the step that a row's `at` is in. A literal: as a parameter it would be a floating-point number. */
function step(ms: number) {
  return sql<number>`at - at % ${sql.lit(ms)}`;
}

function startOf(at: number, ms: number): number {
  return at - (at % ms);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
