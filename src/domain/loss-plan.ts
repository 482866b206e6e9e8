import type { NodeState } from './node.ts';
import type { ReplicaState } from './replica.ts';

export interface LossInput {
  replicas: readonly { id: string; node: string; state: ReplicaState }[];
  /** Every machine of the platform. Empty while none is known yet. */
  nodes: readonly { name: string; state: NodeState; reason?: string | null }[];
  desired: number;
}

export interface LossPlan {
  /** On a machine that is lost: they count no longer, and others take their place. */
  lost: { id: string; reason: string }[];
  /** On a machine that is back, and still needed: taken up again. */
  back: string[];
  /** Not needed any more, or on a machine that is none of the platform's any more. */
  over: string[];
}

const OF_USE: readonly ReplicaState[] = ['starting', 'healthy', 'unhealthy', 'crash-looping'];

/**
 * What becomes of the replicas of one app when machines are lost and come back. As long as no machine is ready nothing
 * is lost: then it is the platform itself that is cut off, its apps serve on, and there is nowhere else to put them. A
 * machine that is back gets its replicas back only where others have not taken their place, so that one that comes and
 * goes does not start a storm.
 */
export function planLosses({ replicas, nodes, desired }: LossInput): LossPlan {
  const plan: LossPlan = { lost: [], back: [], over: [] };
  if (!nodes.some(({ state }) => state === 'ready')) return plan;
  const states = new Map(nodes.map(({ name, state }) => [name, state]));
  const why = (name: string): string => nodes.find((node) => node.name === name)?.reason ?? `${name} does not answer`;
  let counting = 0;
  for (const { id, node, state } of replicas) {
    if (!OF_USE.includes(state)) continue;
    const machine = states.get(node);
    if (machine === undefined) plan.over.push(id);
    else if (machine === 'lost') plan.lost.push({ id, reason: why(node) });
    else counting += 1;
  }
  for (const { id, node, state } of replicas) {
    const machine = states.get(node);
    if (state !== 'lost' || machine === 'lost') continue;
    if (machine === undefined || machine === 'draining' || machine === 'drained' || counting >= desired) {
      plan.over.push(id);
    } else if (machine === 'ready') {
      plan.back.push(id);
      counting += 1;
    }
  }
  return plan;
}
