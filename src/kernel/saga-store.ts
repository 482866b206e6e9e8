import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export type SagaState = 'running' | 'compensating' | 'done' | 'failed' | 'cancelled';

/** What went wrong, in a form that survives a restart. */
export interface SagaFailure {
  code: string;
  reason: string;
  /** The step that failed. */
  step: string;
  lastLogLines: string[];
}

export interface SagaTables {
  sagas: {
    id: string;
    kind: string;
    /** What it is about: an instance's name. */
    subject: string;
    request_id: string;
    state: SagaState;
    /** Index of the step that is to be entered, runs or waits. */
    step: number;
    /** 1 once the step was entered. */
    entered: number;
    /** JSON of the definition's context. */
    context: string;
    /** JSON of a SagaFailure; also the reason of a cancellation. */
    failure: string | null;
    cancel_reason: string | null;
    created_at: number;
    updated_at: number;
  };
  saga_journal: {
    saga_id: string;
    position: number;
    step: string;
    event: JournalEvent;
    at: number;
  };
}

export type JournalEvent = 'entered' | 'finished' | 'failed' | 'undone' | 'undo-failed' | 'ended';

export const sagaMigrations: Record<string, Migration> = {
  '0002_saga': {
    async up(db) {
      await db.schema
        .createTable('sagas')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('subject', 'text', (c) => c.notNull())
        .addColumn('request_id', 'text', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('step', 'integer', (c) => c.notNull())
        .addColumn('entered', 'integer', (c) => c.notNull())
        .addColumn('context', 'text', (c) => c.notNull())
        .addColumn('failure', 'text')
        .addColumn('cancel_reason', 'text')
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('updated_at', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('sagas_live').on('sagas').columns(['state', 'kind', 'subject']).execute();
      await db.schema
        .createTable('saga_journal')
        .addColumn('saga_id', 'text', (c) => c.notNull())
        .addColumn('position', 'integer', (c) => c.notNull())
        .addColumn('step', 'text', (c) => c.notNull())
        .addColumn('event', 'text', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('saga_journal_pk', ['saga_id', 'position'])
        .execute();
    },
  },
};

export type SagaRow = SagaTables['sagas'];

/** A service's tables hold the kernel's too; TypeScript cannot see that through a type parameter. */
export function sagaTables<Tables extends SagaTables>(db: Kysely<Tables>): Kysely<SagaTables> {
  return db as unknown as Kysely<SagaTables>;
}

export const LIVE: SagaState[] = ['running', 'compensating'];

export async function readSaga(db: Kysely<SagaTables>, id: string): Promise<SagaRow | null> {
  return (await db.selectFrom('sagas').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
}

/** Writes what changed and the journal's entry. */
export async function writeSaga(
  tx: Kysely<SagaTables>,
  id: string,
  change: Partial<Omit<SagaRow, 'id'>>,
  entry: { step: string; event: JournalEvent },
  now: number,
): Promise<void> {
  await tx
    .updateTable('sagas')
    .set({ ...change, updated_at: now })
    .where('id', '=', id)
    .execute();
  await tx
    .insertInto('saga_journal')
    .values((eb) => ({
      saga_id: id,
      position: eb
        .selectFrom('saga_journal')
        .where('saga_id', '=', id)
        .select((count) => count.fn.countAll<number>().as('n')),
      step: entry.step,
      event: entry.event,
      at: now,
    }))
    .execute();
}

/** Removes sagas that ended before `before`, with their journals. */
export async function forgetSagas(tx: Kysely<SagaTables>, before: number): Promise<void> {
  const old = tx.selectFrom('sagas').select('id').where('state', 'not in', LIVE).where('updated_at', '<', before);
  await tx.deleteFrom('saga_journal').where('saga_id', 'in', old).execute();
  await tx.deleteFrom('sagas').where('id', 'in', old).execute();
}
