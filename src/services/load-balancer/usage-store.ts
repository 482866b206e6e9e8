import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import type { Span } from '../../domain/history.ts';

export interface UsageTables {
  /** A replica by the name that it has, or had: names outlive the replicas. */
  replica_series: { id: number | null; app: string; replica: string; last_at: number };
  /** What each used, as the mean of 10 s. */
  replica_samples: { series: number; at: number; cpu: number; memory: number };
}

/** Milliseconds since the Unix epoch; then CPU and memory in percent of the replica's own limits. */
export type UsagePoint = [at: number, cpuPercent: number, memoryPercent: number];
export interface UsageSeries {
  replica: string;
  points: UsagePoint[];
}

export interface UsageSample {
  app: string;
  replica: string;
  cpu: number;
  memory: number;
}

export const usageMigrations: Record<string, Migration> = {
  '0101_replica_samples': {
    async up(db) {
      await db.schema
        .createTable('replica_series')
        .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
        .addColumn('app', 'text', (c) => c.notNull())
        .addColumn('replica', 'text', (c) => c.notNull())
        .addColumn('last_at', 'bigint', (c) => c.notNull())
        .addUniqueConstraint('replica_series_name', ['app', 'replica'])
        .execute();
      await db.schema
        .createTable('replica_samples')
        .addColumn('series', 'integer', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('cpu', 'real', (c) => c.notNull())
        .addColumn('memory', 'real', (c) => c.notNull())
        .addPrimaryKeyConstraint('replica_samples_pk', ['series', 'at'])
        .execute();
    },
  },
};

/** Samples older than this are deleted. */
export const KEEP_USAGE_MS = 24 * 3600 * 1000;

type Db = Kysely<UsageTables>;

export async function insertUsage(tx: Db, at: number, samples: readonly UsageSample[]): Promise<void> {
  if (samples.length === 0) return;
  const rows = await tx
    .insertInto('replica_series')
    // Numbered by the database when the id is left out; Kysely's types want it named.
    .values(samples.map(({ app, replica }) => ({ app, replica, last_at: at }) as UsageTables['replica_series']))
    .onConflict((conflict) => conflict.columns(['app', 'replica']).doUpdateSet({ last_at: at }))
    .returning(['id', 'app', 'replica'])
    .execute();
  const ids = new Map(rows.map(({ id, app, replica }) => [`${app} ${replica}`, Number(id)]));
  await tx
    .insertInto('replica_samples')
    .values(
      samples.flatMap(({ app, replica, cpu, memory }) => {
        const series = ids.get(`${app} ${replica}`);
        return series === undefined ? [] : [{ series, at, cpu, memory }];
      }),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** By series, so that the primary key leads to what is old: no further index is written with every sample. */
export async function deleteOldUsage(tx: Db, now: number): Promise<void> {
  const before = now - KEEP_USAGE_MS;
  await tx
    .deleteFrom('replica_samples')
    .where('series', 'in', (from) => from.selectFrom('replica_series').select('id'))
    .where('at', '<', before)
    .execute();
  await tx.deleteFrom('replica_series').where('last_at', '<', before).execute();
}

/** Each replica's figures as the mean of each step, replicas that are gone included; nothing from before `since`. */
export async function readUsage(
  db: Db,
  app: string,
  { from, to, stepMs }: Span,
  since: number,
): Promise<UsageSeries[]> {
  const rows = await db
    .selectFrom('replica_series')
    .innerJoin('replica_samples', 'replica_samples.series', 'replica_series.id')
    .select((column) => [
      'replica',
      // A literal: as a parameter it would be a floating-point number.
      sql<number>`at - at % ${sql.lit(stepMs)}`.as('start'),
      column.fn.avg<number>('cpu').as('cpu'),
      column.fn.avg<number>('memory').as('memory'),
    ])
    .where('app', '=', app)
    .where('at', '>=', Math.max(from, since))
    .where('at', '<=', to)
    .groupBy(['replica', 'start'])
    .orderBy('start')
    .execute();
  const series = Map.groupBy(rows, ({ replica }) => replica);
  return [...series]
    .map(([replica, points]) => ({
      replica,
      points: points.map(({ start, cpu, memory }): UsagePoint => [start, round(cpu), round(memory)]),
    }))
    .sort((a, b) => a.replica.localeCompare(b.replica, 'en', { numeric: true }));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
