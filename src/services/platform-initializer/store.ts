import type { Kysely, Selectable } from 'kysely';
import type { Migration } from 'kysely/migration';
import type { ServiceState } from '../../domain/service-plan.ts';
import { type MessengerTables, messengerMigrations } from '../../kernel/messenger.ts';
import { type SagaTables, sagaMigrations } from '../../kernel/saga-store.ts';

export interface InitializerTables extends MessengerTables, SagaTables {
  /** What is wanted of the platform and how it is; `id` is always 1. */
  platform: {
    id: number;
    wanted: 'running' | 'stopped';
    state: string;
    reason: string;
    since: number;
    /** Rises with every change, so that news that come late are known to be old. */
    serial: number;
  };
  /** The services as they were last seen. */
  services: {
    name: string;
    folder: string;
    node: string;
    container_id: string | null;
    /** `IP:PORT` that the load balancer gave. */
    address: string;
    /** `IP:PORT` of the service itself. */
    direct: string;
    state: ServiceState;
    restarts: number;
    failures: number;
    retry_at: number;
    reason: string | null;
    since: number;
  };
}

export type Db = Kysely<InitializerTables>;
export type ServiceRow = Selectable<InitializerTables['services']>;
export type PlatformRow = Selectable<InitializerTables['platform']>;

export const migrations: Record<string, Migration> = {
  ...messengerMigrations,
  ...sagaMigrations,
  '0100_platform_initializer': {
    async up(db) {
      await db.schema
        .createTable('platform')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('wanted', 'text', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('reason', 'text', (c) => c.notNull())
        .addColumn('since', 'bigint', (c) => c.notNull())
        .addColumn('serial', 'integer', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('services')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('folder', 'text', (c) => c.notNull())
        .addColumn('node', 'text', (c) => c.notNull())
        .addColumn('container_id', 'text')
        .addColumn('address', 'text', (c) => c.notNull())
        .addColumn('direct', 'text', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('restarts', 'integer', (c) => c.notNull())
        .addColumn('failures', 'integer', (c) => c.notNull())
        .addColumn('retry_at', 'bigint', (c) => c.notNull())
        .addColumn('reason', 'text')
        .addColumn('since', 'bigint', (c) => c.notNull())
        .execute();
    },
  },
};

export async function readPlatform(db: Db): Promise<PlatformRow> {
  const row = await db.selectFrom('platform').selectAll().where('id', '=', 1).executeTakeFirst();
  return row ?? { id: 1, wanted: 'stopped', state: 'stopped', reason: '', since: 0, serial: 0 };
}

export async function writePlatform(tx: Db, row: PlatformRow): Promise<void> {
  const { id: _id, ...values } = row;
  await tx
    .insertInto('platform')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doUpdateSet(values))
    .execute();
}

export async function readServices(db: Db): Promise<ServiceRow[]> {
  return db.selectFrom('services').selectAll().execute();
}

export async function writeService(tx: Db, row: ServiceRow): Promise<void> {
  const { name: _name, ...values } = row;
  await tx
    .insertInto('services')
    .values(row)
    .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
    .execute();
}
