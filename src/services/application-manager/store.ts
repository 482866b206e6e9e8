import type { Kysely, Selectable } from 'kysely';
import type { Migration } from 'kysely/migration';
import type { InstanceState } from '../../domain/instance.ts';
import type { Manifest } from '../../domain/manifest.ts';
import { nameKey } from '../../domain/names.ts';
import type { PlatformState } from '../../domain/service-plan.ts';
import { type MessengerTables, messengerMigrations } from '../../kernel/messenger.ts';
import { type SagaTables, sagaMigrations } from '../../kernel/saga-store.ts';
import { type ScheduleTables, scheduleMigrations } from './schedule-store.ts';

export interface ApplicationManagerTables extends MessengerTables, SagaTables, ScheduleTables {
  base_apps: {
    /** The name without regard to case. */
    name_key: string;
    name: string;
    version: string;
    sha256: string;
    size_bytes: number;
    /** JSON of a Manifest. */
    manifest: string;
    blob_key: string;
    uploaded_at: number;
    uploaded_by: string;
    /** Rises with every upload; the newest version has the highest. */
    serial: number;
  };
  instances: {
    name_key: string;
    name: string;
    app_name: string;
    version: string;
    state: InstanceState;
    /** What a stop under way is to end in. */
    ending: 'stopped' | 'cancelled' | null;
    generation: number;
    /** JSON of an InstanceSpec. */
    spec: string;
    /** JSON of the settings as shown: secrets masked. */
    config: string;
    /** The deployment or stop under way; answers to others do not count. */
    request_id: string;
    endpoint: string | null;
    node: string | null;
    reason: string | null;
    /** JSON of the app's last lines at its failure. */
    last_log_lines: string | null;
    created_at: number;
    created_by: string;
    updated_at: number;
    /** What it ran before this version, in this life or the last: where a rollback leads. */
    previous_version: string | null;
  };
  /** The timeline of every instance. */
  events: { id: number | null; instance: string; owner: string; at: number; kind: string; text: string };
  /** The platform's state as it was told last; `id` is always 1. */
  platform: { id: number; state: PlatformState; reason: string; since: number; serial: number };
  /** Answers given under an Idempotency-Key; the request is sealed, as it may hold secrets. */
  idempotency: { owner: string; key: string; request: string; response: string; at: number };
}

export type Db = Kysely<ApplicationManagerTables>;
export type InstanceRow = Selectable<ApplicationManagerTables['instances']>;
export type BaseAppRow = Selectable<ApplicationManagerTables['base_apps']>;

export const migrations: Record<string, Migration> = {
  ...messengerMigrations,
  ...sagaMigrations,
  ...scheduleMigrations,
  '0100_application_manager': {
    async up(db) {
      await db.schema
        .createTable('base_apps')
        .addColumn('name_key', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('version', 'text', (c) => c.notNull())
        .addColumn('sha256', 'text', (c) => c.notNull())
        .addColumn('size_bytes', 'bigint', (c) => c.notNull())
        .addColumn('manifest', 'text', (c) => c.notNull())
        .addColumn('blob_key', 'text', (c) => c.notNull())
        .addColumn('uploaded_at', 'bigint', (c) => c.notNull())
        .addColumn('uploaded_by', 'text', (c) => c.notNull())
        .addColumn('serial', 'integer', (c) => c.notNull())
        .addPrimaryKeyConstraint('base_apps_pk', ['name_key', 'version'])
        .execute();
      await db.schema
        .createTable('instances')
        .addColumn('name_key', 'text', (c) => c.primaryKey())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('app_name', 'text', (c) => c.notNull())
        .addColumn('version', 'text', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('ending', 'text')
        .addColumn('generation', 'integer', (c) => c.notNull())
        .addColumn('spec', 'text', (c) => c.notNull())
        .addColumn('config', 'text', (c) => c.notNull())
        .addColumn('request_id', 'text', (c) => c.notNull())
        .addColumn('endpoint', 'text')
        .addColumn('node', 'text')
        .addColumn('reason', 'text')
        .addColumn('last_log_lines', 'text')
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('created_by', 'text', (c) => c.notNull())
        .addColumn('updated_at', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('events')
        .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
        .addColumn('instance', 'text', (c) => c.notNull())
        .addColumn('owner', 'text', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('text', 'text', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('events_instance').on('events').columns(['instance', 'id']).execute();
      await db.schema
        .createTable('idempotency')
        .addColumn('owner', 'text', (c) => c.notNull())
        .addColumn('key', 'text', (c) => c.notNull())
        .addColumn('request', 'text', (c) => c.notNull())
        .addColumn('response', 'text', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('idempotency_pk', ['owner', 'key'])
        .execute();
    },
  },
  '0110_platform': {
    async up(db) {
      await db.schema
        .createTable('platform')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('reason', 'text', (c) => c.notNull())
        .addColumn('since', 'bigint', (c) => c.notNull())
        .addColumn('serial', 'integer', (c) => c.notNull())
        .execute();
    },
  },
  '0120_previous_version': {
    async up(db) {
      await db.schema.alterTable('instances').addColumn('previous_version', 'text').execute();
    },
  },
};

/** The blob container of the catalogue. */
export const BASE_APPS = 'baseApps';

/** Deterministic, and fit for a container image's name: lower case, the content's hash in it. */
export function imageName(app: Pick<BaseAppRow, 'name_key' | 'version' | 'sha256'>): string {
  return `${app.name_key}:${app.version.replaceAll('+', '_')}-${app.sha256.slice(0, 12)}`;
}

export async function readInstance(db: Db, name: string): Promise<InstanceRow | undefined> {
  return db.selectFrom('instances').selectAll().where('name_key', '=', nameKey(name)).executeTakeFirst();
}

/** That version, or the newest one. */
export async function readBaseApp(db: Db, name: string, version?: string): Promise<BaseAppRow | undefined> {
  let query = db.selectFrom('base_apps').selectAll().where('name_key', '=', nameKey(name));
  if (version !== undefined) query = query.where('version', '=', version);
  return query.orderBy('serial', 'desc').executeTakeFirst();
}

export function manifestOf(row: BaseAppRow): Manifest {
  return JSON.parse(row.manifest) as Manifest;
}
