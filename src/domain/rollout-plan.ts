import { reasonAt } from './failure-reason.ts';
import type { ReplicaState } from './replica.ts';

/** So many failed starts of a new version's replica are proof enough that it will not come up. */
export const MOST_FAILED_STARTS = 3;

interface RolledReplica {
  generation: number;
  state: ReplicaState;
  node: string;
  failures: number;
  reason: string | null;
}

export interface RolloutInput {
  /** What the replicas are to become. */
  generation: number;
  desired: number;
  replicas: readonly RolledReplica[];
  /** The most healthy replicas of it so far, and since when. */
  reached: number;
  reachedAt: number;
  now: number;
  /** How long it may go without one more healthy replica. */
  limitMs: number;
  /** Why a replica could not be put anywhere, if so. */
  unplaced: string | null;
}

export type RolloutVerdict =
  | { is: 'under way'; reached: number }
  | { is: 'done' }
  /** It is to be taken back. `reason` is one sentence for a person. */
  | { is: 'failed'; reason: string };

/** What has become of a new version that comes in replica by replica. */
export function judgeRollout(input: RolloutInput): RolloutVerdict {
  const { desired, generation } = input;
  const counting = input.replicas.filter(({ state }) => !['draining', 'stopped', 'lost'].includes(state));
  const fresh = counting.filter((replica) => replica.generation === generation);
  const healthy = fresh.filter(({ state }) => state === 'healthy').length;
  if (fresh.length === counting.length && healthy >= desired) return { is: 'done' };
  const broken = fresh.find(({ failures }) => failures >= MOST_FAILED_STARTS);
  if (broken) return { is: 'failed', reason: whatFailed(broken) ?? 'its replica did not become healthy' };
  if (healthy <= input.reached && input.now - input.reachedAt >= input.limitMs) {
    const ill = fresh.find(({ state, reason }) => state !== 'healthy' && reason !== null);
    const why = (ill && whatFailed(ill)) ?? input.unplaced;
    const count = `${healthy} of ${desired} replicas became healthy within ${Math.round(input.limitMs / 1000)} s`;
    return { is: 'failed', reason: why ? `${count}: ${why}` : count };
  }
  return { is: 'under way', reached: Math.max(healthy, input.reached) };
}

/** Why it does not start is said with its step; anything else befell it while it ran. */
function whatFailed({ node, reason }: RolledReplica): string | null {
  return reason === null ? null : reasonAt('running', node, reason);
}
