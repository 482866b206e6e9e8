import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';
import { type VmEntry, vmEntrySchema } from '../../domain/service-entry.ts';

export interface RosterTables {
  /** Machines taken in or let go of at run time; those of the configuration are not on record here. */
  roster: {
    name: string;
    /** JSON of a VmEntry; null for a machine that was let go of. */
    entry: string | null;
    at: number;
  };
}

export const rosterMigrations: Record<string, Migration> = {
  '0102_roster': {
    async up(db) {
      await db.schema
        .createTable('roster')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('entry', 'text')
        .addColumn('at', 'bigint', (c) => c.notNull())
        .execute();
    },
  },
};

type Db = Kysely<RosterTables>;

/** The machines of the platform: those of the configuration but the ones let go of since, and those taken in since. */
export async function readRoster(db: Db, configured: readonly VmEntry[]): Promise<VmEntry[]> {
  const rows = await db.selectFrom('roster').selectAll().orderBy('at').execute();
  const changed = new Map(rows.map((row) => [row.name, row.entry]));
  const stayed = configured.filter(({ vm_name }) => changed.get(vm_name) !== null);
  const names = new Set(configured.map(({ vm_name }) => vm_name));
  // The configuration has the last word on a machine that it names.
  const added = rows.flatMap(({ name, entry }) => (entry === null || names.has(name) ? [] : [entry]));
  return [...stayed, ...added.map((text) => vmEntrySchema.parse(JSON.parse(text)))];
}

export async function writeRoster(db: Db, name: string, entry: VmEntry | null, at: number): Promise<void> {
  const text = entry === null ? null : JSON.stringify(entry);
  await db
    .insertInto('roster')
    .values({ name, entry: text, at })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ entry: text, at }))
    .execute();
}
