import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';
import { type MessengerTables, messengerMigrations } from '../../kernel/messenger.ts';
import { type SagaTables, sagaMigrations } from '../../kernel/saga-store.ts';

export interface DeploymentManagerTables extends MessengerTables, SagaTables {
  /** What a build printed, newest builds only. */
  build_logs: { instance: string; position: number; at: number; line: string };
}

export const migrations: Record<string, Migration> = {
  ...messengerMigrations,
  ...sagaMigrations,
  '0100_build_logs': {
    async up(db) {
      await db.schema
        .createTable('build_logs')
        .addColumn('instance', 'text', (c) => c.notNull())
        .addColumn('position', 'integer', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('line', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('build_logs_pk', ['instance', 'position'])
        .execute();
    },
  },
};

/** Lines kept per build; a build that prints more loses its oldest. */
export const KEPT_BUILD_LINES = 2000;

export async function replaceBuildLog(
  tx: Kysely<DeploymentManagerTables>,
  instance: string,
  lines: readonly { at: number; line: string }[],
): Promise<void> {
  await tx.deleteFrom('build_logs').where('instance', '=', instance).execute();
  const rows = lines.slice(-KEPT_BUILD_LINES).map((line, position) => ({ instance, position, ...line }));
  // SQLite takes at most 32,766 values in one statement.
  for (let at = 0; at < rows.length; at += 1000) {
    await tx
      .insertInto('build_logs')
      .values(rows.slice(at, at + 1000))
      .execute();
  }
}
