import { isDeepStrictEqual } from 'node:util';
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';
import { type VmEntry, vmEntrySchema } from '../../domain/service-entry.ts';

export interface RosterTables {
  /** Machines taken in or let go of at run time; those of the configuration are not on record here. */
  roster: {
    name: string;
    /** JSON of a VmEntry; null for a machine that was let go of. */
    entry: string | null;
    /** JSON of the VmEntry that the configuration had of that name then; null if it had none. */
    configured: string | null;
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
  '0103_roster_configured': {
    async up(db) {
      await db.schema.alterTable('roster').addColumn('configured', 'text').execute();
    },
  },
};

type Db = Kysely<RosterTables>;

/** What is known of machines at a start. */
export interface Roster {
  machines: VmEntry[];
  /** Names of which the configuration says something else since they were changed at run time. */
  overtaken: string[];
  /** Machines that cannot be had, in sentences. */
  leftOut: string[];
}

/**
 * The machines of the platform: those of the configuration, and what was changed since. What was done last at run time
 * goes, unless the configuration's entry of that name is another one since. The machine of the balancer is never taken
 * out. Of two machines with one name or address that of the configuration stays.
 */
export function mergeRoster(
  configured: readonly VmEntry[],
  rows: readonly RosterTables['roster'][],
  balancer: string,
): Roster {
  const entries = new Map(configured.map((entry) => [entry.vm_name, entry]));
  const stands = ({ name, entry, configured: before }: RosterTables['roster']): boolean => {
    const now = entries.get(name);
    if (!now) return true;
    return isDeepStrictEqual(read(before), now) && !(entry === null && name === balancer);
  };
  const standing = rows.filter(stands);
  const changed = new Set(standing.map(({ name }) => name));
  const machines = configured.filter(({ vm_name }) => !changed.has(vm_name));
  const leftOut: string[] = [];
  for (const { name, entry: text } of standing) {
    if (text === null) continue;
    const entry = read(text);
    const other = entry && machines.find((each) => collide(each, entry));
    if (!entry) leftOut.push(`${name}, taken in at run time, is left out: what is on record of it cannot be read`);
    else if (!other) machines.push(entry);
    else {
      leftOut.push(
        `${name} (${entry.vm_ip}), taken in at run time, is left out: ${other.vm_name} (${other.vm_ip}) has its name or address`,
      );
    }
  }
  return { machines, leftOut, overtaken: rows.filter((row) => !stands(row)).map(({ name }) => name) };
}

/** Null for what an earlier version took for a machine, and this one does not. */
function read(text: string | null): VmEntry | null {
  if (text === null) return null;
  const parsed = vmEntrySchema.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data : null;
}

function collide(one: VmEntry, other: VmEntry): boolean {
  return one.vm_ip === other.vm_ip || one.vm_name.toLowerCase() === other.vm_name.toLowerCase();
}

/** The machines at this start. What the configuration has overtaken is forgotten, so that it does not come back with an older one. */
export async function takeRoster(db: Db, configured: readonly VmEntry[], balancer: string): Promise<Roster> {
  const rows = await db.selectFrom('roster').selectAll().orderBy('at').orderBy('name').execute();
  const roster = mergeRoster(configured, rows, balancer);
  if (roster.overtaken.length > 0) await db.deleteFrom('roster').where('name', 'in', roster.overtaken).execute();
  return roster;
}

/** @param entry null for a machine that is let go of. @param configured what the configuration has of that name */
export async function writeRoster(
  db: Db,
  name: string,
  entry: VmEntry | null,
  configured: VmEntry | null,
  at: number,
): Promise<void> {
  const text = (of: VmEntry | null): string | null => (of === null ? null : JSON.stringify(of));
  const row = { entry: text(entry), configured: text(configured), at };
  await db
    .insertInto('roster')
    .values({ name, ...row })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
    .execute();
}
