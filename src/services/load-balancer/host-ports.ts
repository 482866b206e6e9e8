import { candidatePorts, halves, type PortRange } from '../../domain/ports.ts';
import type { Db } from './store.ts';

/**
 * A port for a further replica on that machine: the next one that no replica on record has, upwards and around.
 *
 * @param range the machine's whole range; the load balancer's half of it is used
 * @param after where to go on from; by default from the highest one in use
 * @returns null when none is left
 */
export async function freeHostPort(tx: Db, node: string, range: PortRange, after?: number): Promise<number | null> {
  const rows = await tx.selectFrom('replicas').select('host_port').where('node', '=', node).execute();
  const taken = new Set(rows.map((row) => row.host_port));
  const half = halves(range).furtherReplicas;
  const inUse = [...taken].filter((port) => port >= half.first && port <= half.last);
  const [port] = candidatePorts(half, after ?? (inUse.length > 0 ? Math.max(...inUse) : null), taken);
  return port ?? null;
}
