import type { AuditEntry } from '../../kernel/audit-trail.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { AuthenticatorTables } from './store.ts';

export interface AuditView extends Omit<AuditEntry, 'at'> {
  id: number;
  at: string;
}

/** The log of who changed what. Grows at one end, and is cut at the other by age and length. */
export interface Audit {
  add(entries: readonly AuditEntry[]): Promise<void>;
  /** Newest first. @param before an entry's id: only older ones */
  list(limit: number, before?: number): Promise<AuditView[]>;
  prune(): Promise<void>;
}

const KEEP_MS = 90 * 24 * 3600 * 1000;
const KEEP_ENTRIES = 100_000;

export function createAudit(database: Database<AuthenticatorTables>, clock: Clock, keepEntries = KEEP_ENTRIES): Audit {
  return {
    async add(entries) {
      const rows = entries.map(({ from, ...entry }) => ({ ...entry, from_address: from }));
      if (rows.length === 0) return;
      await database.transaction((tx) => tx.insertInto('audit').values(rows).execute());
    },
    async list(limit, before) {
      let query = database.read.selectFrom('audit').selectAll().orderBy('id', 'desc').limit(limit);
      if (before !== undefined) query = query.where('id', '<', before);
      const rows = await query.execute();
      return rows.map(({ at, from_address, ...row }) => ({
        ...row,
        at: new Date(at).toISOString(),
        from: from_address,
      }));
    },
    async prune() {
      await database.transaction(async (tx) => {
        await tx
          .deleteFrom('audit')
          .where('at', '<', clock.now() - KEEP_MS)
          .execute();
        const { newest } = await tx
          .selectFrom('audit')
          .select((eb) => eb.fn.max('id').as('newest'))
          .executeTakeFirstOrThrow();
        await tx
          .deleteFrom('audit')
          .where('id', '<=', (newest ?? 0) - keepEntries)
          .execute();
      });
    },
  };
}
