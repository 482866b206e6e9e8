import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';
import { candidatePorts, type PortRange } from '../../domain/ports.ts';
import { type MessengerTables, messengerMigrations } from '../../kernel/messenger.ts';
import { type HistoryTables, historyMigrations } from './history-store.ts';
import { type RosterTables, rosterMigrations } from './roster.ts';

export interface NodeManagerTables extends MessengerTables, HistoryTables, RosterTables {
  /** Ports promised to deployments under way. */
  port_reservations: {
    node: string;
    port: number;
    instance: string;
    request_id: string;
    attempt: number;
    expires_at: number;
  };
  /** The port given last on each machine, so that the next search goes on from there. */
  port_cursors: { node: string; port: number };
  /** Machines that an operator wants empty. */
  node_wishes: { node: string; wanted: 'empty'; at: number };
}

export const migrations: Record<string, Migration> = {
  ...messengerMigrations,
  ...historyMigrations,
  '0100_node_manager': {
    async up(db) {
      await db.schema
        .createTable('port_reservations')
        .addColumn('node', 'text', (c) => c.notNull())
        .addColumn('port', 'integer', (c) => c.notNull())
        .addColumn('instance', 'text', (c) => c.notNull())
        .addColumn('request_id', 'text', (c) => c.notNull())
        .addColumn('attempt', 'integer', (c) => c.notNull())
        .addColumn('expires_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('port_reservations_pk', ['node', 'port'])
        .execute();
      await db.schema
        .createTable('port_cursors')
        .addColumn('node', 'text', (c) => c.primaryKey())
        .addColumn('port', 'integer', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('node_samples')
        .addColumn('node', 'text', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('cpu', 'real', (c) => c.notNull())
        .addColumn('memory', 'real', (c) => c.notNull())
        .addColumn('disk', 'real', (c) => c.notNull())
        .addPrimaryKeyConstraint('node_samples_pk', ['node', 'at'])
        .execute();
    },
  },
  '0101_node_wishes': {
    async up(db) {
      await db.schema
        .createTable('node_wishes')
        .addColumn('node', 'text', (c) => c.primaryKey())
        .addColumn('wanted', 'text', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .execute();
    },
  },
  ...rosterMigrations,
};

type Tx = Kysely<NodeManagerTables>;

export interface PortRequest {
  node: string;
  range: PortRange;
  /** Ports that containers on the machine hold, running or not. */
  held: ReadonlySet<number>;
  instance: string;
  requestId: string;
  attempt: number;
  now: number;
  leaseMs: number;
}

/**
 * Reserves a port of a machine for a deployment. The lease outlives the longest deployment; after that the container
 * itself holds the port.
 */
export async function reservePort(
  tx: Tx,
  request: PortRequest,
): Promise<{ port: number } | { port: null; reason: string }> {
  await tx.deleteFrom('port_reservations').where('expires_at', '<=', request.now).execute();
  const port = await nextPort(tx, request);
  if (port === null) {
    const { first, last } = request.range;
    return { port: null, reason: `no port of ${first}-${last} is free on ${request.node}` };
  }
  await tx
    .insertInto('port_reservations')
    .values({
      node: request.node,
      port,
      instance: request.instance,
      request_id: request.requestId,
      attempt: request.attempt,
      expires_at: request.now + request.leaseMs,
    })
    .execute();
  await tx
    .insertInto('port_cursors')
    .values({ node: request.node, port })
    .onConflict((conflict) => conflict.column('node').doUpdateSet({ port }))
    .execute();
  return { port };
}

/** The port that would be reserved now; null when none is free. */
export async function nextPort(
  tx: Tx,
  request: Pick<PortRequest, 'node' | 'range' | 'held' | 'now'>,
): Promise<number | null> {
  const rows = await tx
    .selectFrom('port_reservations')
    .select('port')
    .where('node', '=', request.node)
    .where('expires_at', '>', request.now)
    .execute();
  const taken = new Set([...rows.map((row) => row.port), ...request.held]);
  const cursor = await tx.selectFrom('port_cursors').select('port').where('node', '=', request.node).executeTakeFirst();
  const [port] = candidatePorts(request.range, cursor?.port ?? null, taken);
  return port ?? null;
}
