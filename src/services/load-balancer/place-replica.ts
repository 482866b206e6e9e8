import type { InstanceSpec } from '../../domain/instance.ts';
import type { NodeSnapshot } from '../../domain/node.ts';
import { place } from '../../domain/placement.ts';
import type { Machines } from '../../ports/machines.ts';
import { freeHostPort } from './host-ports.ts';
import type { Db } from './store.ts';

export type ReplicaPlacement =
  | { node: string; host_port: number; placement: string }
  /** Nowhere; `reason` says why. */
  | { node: null; reason: string };

/** Where further replicas go: to machines with fewer of them, or to those that have one, as in the starting document. */
export type PlacementRule = 'spread' | 'same-node';

/** The healthiest of the machines that the rule prefers, or else of all that can take the replica; and a port there. */
export async function placeReplica(
  tx: Db,
  spec: InstanceSpec,
  seen: readonly NodeSnapshot[],
  machines: Machines,
  rule: PlacementRule,
): Promise<ReplicaPlacement> {
  // What was seen last may be of a machine that is none of ours any more.
  const nodes = seen.filter(({ name }) => machines.has(name));
  const own = await tx
    .selectFrom('replicas')
    .select('node')
    .where('app', '=', spec.instance)
    .where('state', 'not in', ['draining', 'lost'])
    .execute();
  const here = (node: string): number => own.filter((row) => row.node === node).length;
  const fewest = Math.min(...nodes.filter((node) => node.state === 'ready').map((node) => here(node.name)));
  const { resources } = spec.manifest;
  const preferred = place(
    nodes.filter(({ name }) => (rule === 'spread' ? here(name) === fewest : here(name) > 0)),
    resources,
  );
  const chosen = preferred.node === null ? place(nodes, resources) : preferred;
  if (chosen.node === null) return { node: null, reason: chosen.reason };
  const port = await freeHostPort(tx, chosen.node, machines.get(chosen.node).ports);
  if (port === null) return { node: null, reason: `no port for a replica is free on ${chosen.node}` };
  return { node: chosen.node, host_port: port, placement: chosen.reason };
}
