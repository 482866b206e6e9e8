import type { ColumnDefinitionBuilder, Kysely, Selectable } from 'kysely';
import type { Migration } from 'kysely/migration';
import type { InstanceSpec } from '../../domain/instance.ts';
import type { ReplicaState } from '../../domain/replica.ts';
import { type MessengerTables, messengerMigrations } from '../../kernel/messenger.ts';
import { type UsageTables, usageMigrations } from './usage-store.ts';

export interface LoadBalancerTables extends MessengerTables, UsageTables {
  apps: {
    name: string;
    /** What the replicas are, or are to be again if a rollout under way fails. */
    generation: number;
    /** The one it was registered with. What is asked in an earlier one's name is about an app that is gone. */
    first_generation: number;
    /** The highest that was heard of: a rollout is begun once, however often it is asked for. */
    seen_generation: number;
    /** JSON of an InstanceSpec; null for what was registered in the starting document's form, by a container alone. */
    spec: string | null;
    image: string;
    container_port: number;
    /** Services of the platform are on record like apps, as in the starting document. */
    kind: 'app' | 'service';
    public_port: number;
    /** 0 when `public_port` is its own, so that the proxy has nothing to do with it. */
    routed: number;
    /** How many replicas are wanted, within min and max. */
    desired: number;
    scale_min: number;
    scale_max: number;
    state: 'live' | 'removing';
    keep_image: number;
    /** What the application manager was told last. */
    reported: string;
    created_at: number;
  };
  replicas: {
    id: string;
    app: string;
    /** What it was started as. */
    generation: number;
    number: number;
    node: string;
    host_port: number;
    state: ReplicaState;
    container_id: string | null;
    ip: string | null;
    port: number | null;
    failures: number;
    restarts: number;
    retry_at: number;
    since: number;
    reason: string | null;
    /** JSON of its last lines at its last failure. */
    last_lines: string | null;
    /** Why it was put on its machine. */
    placement: string;
  };
  /** New versions that come in, one per app at most. */
  rollouts: {
    app: string;
    generation: number;
    /** JSON of an InstanceSpec. */
    spec: string;
    /** The most healthy replicas of it so far, and since when. */
    reached: number;
    reached_at: number;
  };
  /** What was deregistered, so that a late registration of it is refused. */
  tombstones: { app: string; generation: number; container_id: string; at: number };
  /** Replicas that are to be gone wherever they turn up. */
  retired: { id: string; node: string; at: number };
  /** Public ports that another program held when they were tried. */
  foreign_ports: { port: number; at: number };
  /** The public port given last; `id` is always 1. The starting document's `latestAvailablePort` is the next one. */
  public_port_cursor: { id: number; port: number };
}

export type AppRow = Selectable<LoadBalancerTables['apps']>;
export type ReplicaRow = Selectable<LoadBalancerTables['replicas']>;
export type RolloutRow = Selectable<LoadBalancerTables['rollouts']>;
export type Db = Kysely<LoadBalancerTables>;

export const migrations: Record<string, Migration> = {
  ...messengerMigrations,
  ...usageMigrations,
  '0100_load_balancer': {
    async up(db) {
      await db.schema
        .createTable('apps')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('generation', 'integer', (c) => c.notNull())
        .addColumn('spec', 'text')
        .addColumn('image', 'text', (c) => c.notNull())
        .addColumn('container_port', 'integer', (c) => c.notNull())
        .addColumn('public_port', 'integer', (c) => c.notNull().unique())
        .addColumn('desired', 'integer', (c) => c.notNull())
        .addColumn('scale_min', 'integer', (c) => c.notNull())
        .addColumn('scale_max', 'integer', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('keep_image', 'integer', (c) => c.notNull())
        .addColumn('reported', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('replicas')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('app', 'text', (c) => c.notNull())
        .addColumn('number', 'integer', (c) => c.notNull())
        .addColumn('node', 'text', (c) => c.notNull())
        .addColumn('host_port', 'integer', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('container_id', 'text')
        .addColumn('ip', 'text')
        .addColumn('port', 'integer')
        .addColumn('failures', 'integer', (c) => c.notNull())
        .addColumn('restarts', 'integer', (c) => c.notNull())
        .addColumn('retry_at', 'bigint', (c) => c.notNull())
        .addColumn('since', 'bigint', (c) => c.notNull())
        .addColumn('reason', 'text')
        .addColumn('placement', 'text', (c) => c.notNull())
        .addUniqueConstraint('replicas_number', ['app', 'number'])
        .addUniqueConstraint('replicas_port', ['node', 'host_port'])
        .execute();
      await db.schema
        .createTable('tombstones')
        .addColumn('app', 'text', (c) => c.notNull())
        .addColumn('generation', 'integer', (c) => c.notNull())
        .addColumn('container_id', 'text', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('tombstones_pk', ['app', 'generation', 'container_id'])
        .execute();
      await db.schema
        .createTable('retired')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('node', 'text', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('foreign_ports')
        .addColumn('port', 'integer', (c) => c.primaryKey())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('public_port_cursor')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('port', 'integer', (c) => c.notNull())
        .execute();
    },
  },
  '0101_rollouts': {
    async up(db) {
      const zero = (c: ColumnDefinitionBuilder): ColumnDefinitionBuilder => c.notNull().defaultTo(0);
      await db.schema.alterTable('apps').addColumn('first_generation', 'integer', zero).execute();
      await db.schema.alterTable('apps').addColumn('seen_generation', 'integer', zero).execute();
      await db.schema.alterTable('replicas').addColumn('generation', 'integer', zero).execute();
      await db.schema.alterTable('replicas').addColumn('last_lines', 'text').execute();
      await db
        .updateTable('apps')
        .set((set) => ({ first_generation: set.ref('generation'), seen_generation: set.ref('generation') }))
        .execute();
      const own = db.selectFrom('apps').select('apps.generation').whereRef('apps.name', '=', 'replicas.app');
      await db.updateTable('replicas').set({ generation: own }).execute();
      await db.schema
        .createTable('rollouts')
        .addColumn('app', 'text', (c) => c.primaryKey())
        .addColumn('generation', 'integer', (c) => c.notNull())
        .addColumn('spec', 'text', (c) => c.notNull())
        .addColumn('reached', 'integer', (c) => c.notNull())
        .addColumn('reached_at', 'bigint', (c) => c.notNull())
        .execute();
    },
  },
  '0110_services': {
    async up(db) {
      await db.schema
        .alterTable('apps')
        .addColumn('kind', 'text', (c) => c.notNull().defaultTo('app'))
        .execute();
      await db.schema
        .alterTable('apps')
        .addColumn('routed', 'integer', (c) => c.notNull().defaultTo(1))
        .execute();
    },
  },
};

export async function readApp(db: Db, name: string): Promise<AppRow | undefined> {
  return db.selectFrom('apps').selectAll().where('name', '=', name).executeTakeFirst();
}

export async function readReplicas(db: Db, app: string): Promise<ReplicaRow[]> {
  return db.selectFrom('replicas').selectAll().where('app', '=', app).orderBy('number').execute();
}

export async function readRollout(db: Db, app: string): Promise<RolloutRow | undefined> {
  return db.selectFrom('rollouts').selectAll().where('app', '=', app).executeTakeFirst();
}

/** What the application manager is told of an app's health, as one text to compare. */
export function reportOf(health: { state: string; reason: string; healthy: number }): string {
  return `${health.state} ${health.healthy} ${health.reason}`;
}

export function specOf(app: { spec: string | null }): InstanceSpec | null {
  return app.spec === null ? null : (JSON.parse(app.spec) as InstanceSpec);
}

/** The ids of a removed app's replicas stay known for as long as a lost machine may take to come back. */
export const KEEP_RETIRED_MS = 30 * 24 * 3600 * 1000;
