import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';
import { type MessengerTables, messengerMigrations } from '../../kernel/messenger.ts';
import { type SagaTables, sagaMigrations } from '../../kernel/saga-store.ts';

export interface DeploymentManagerTables extends MessengerTables, SagaTables {
  /** What the build of an image printed; every instance of it shows the same. */
  build_logs: { image: string; position: number; at: number; line: string };
}

export const migrations: Record<string, Migration> = {
  ...messengerMigrations,
  ...sagaMigrations,
  '0100_build_logs': {
    async up(db) {
      await db.schema
        .createTable('build_logs')
        .addColumn('image', 'text', (c) => c.notNull())
        .addColumn('position', 'integer', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('line', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('build_logs_pk', ['image', 'position'])
        .execute();
    },
  },
};

/** Lines kept per build; a build that prints more loses its oldest. */
export const KEPT_BUILD_LINES = 2000;

export async function replaceBuildLog(
  tx: Kysely<DeploymentManagerTables>,
  image: string,
  lines: readonly { at: number; line: string }[],
): Promise<void> {
  await tx.deleteFrom('build_logs').where('image', '=', image).execute();
  const rows = lines.slice(-KEPT_BUILD_LINES).map((line, position) => ({ image, position, ...line }));
  // SQLite takes at most 32,766 values in one statement.
  for (let at = 0; at < rows.length; at += 1000) {
    await tx
      .insertInto('build_logs')
      .values(rows.slice(at, at + 1000))
      .execute();
  }
}

/** The image of the instance's newest deployment. */
export async function imageOf(db: Kysely<DeploymentManagerTables>, instance: string): Promise<string | null> {
  const saga = await db
    .selectFrom('sagas')
    .select('context')
    .where('kind', '=', 'deploy')
    .where('subject', '=', instance)
    .orderBy('created_at', 'desc')
    .executeTakeFirst();
  return saga ? (JSON.parse(saga.context) as { spec: { image: string } }).spec.image : null;
}
