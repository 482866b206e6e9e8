import type { Selectable } from 'kysely';
import type { Migration } from 'kysely/migration';

export interface FaultMonitorTables {
  /** Every check, for a day. */
  checks: { service: string; at: number; healthy: number; latency_ms: number; reason: string | null };
  /** Each service as it was at its last check, and since when. */
  health: {
    service: string;
    healthy: number;
    /** When `healthy` last changed. */
    changed_at: number;
    checked_at: number;
    /** The last good answer; null when there was none. */
    seen_at: number | null;
    latency_ms: number;
    reason: string | null;
  };
}

export type HealthRow = Selectable<FaultMonitorTables['health']>;

export const migrations: Record<string, Migration> = {
  '0100_fault_monitor': {
    async up(db) {
      await db.schema
        .createTable('checks')
        .addColumn('service', 'text', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('healthy', 'integer', (c) => c.notNull())
        .addColumn('latency_ms', 'real', (c) => c.notNull())
        .addColumn('reason', 'text')
        .addPrimaryKeyConstraint('checks_pk', ['service', 'at'])
        .execute();
      await db.schema
        .createTable('health')
        .addColumn('service', 'text', (c) => c.primaryKey())
        .addColumn('healthy', 'integer', (c) => c.notNull())
        .addColumn('changed_at', 'bigint', (c) => c.notNull())
        .addColumn('checked_at', 'bigint', (c) => c.notNull())
        .addColumn('seen_at', 'bigint')
        .addColumn('latency_ms', 'real', (c) => c.notNull())
        .addColumn('reason', 'text')
        .execute();
    },
  },
};
