import type { ReplicaState } from './replica.ts';

/** One replica as the load balancer knows it. */
export interface PlannedReplica {
  id: string;
  number: number;
  state: ReplicaState;
  /** Failures since it was last healthy for a while. */
  failures: number;
  /** When a crash-looping one is tried again, milliseconds since the Unix epoch. */
  retryAt: number;
  /** When it got its state. */
  since: number;
}

export interface ReplicaPlanInput {
  /** How many replicas are wanted. */
  desired: number;
  replicas: readonly PlannedReplica[];
  now: number;
  /** An unhealthy replica is restarted when it has been so for this long. */
  unhealthyMs: number;
}

export type ReplicaAction =
  | { do: 'add'; number: number }
  /** Out of the routes, then stopped and removed. */
  | { do: 'drain'; id: string }
  | { do: 'restart'; id: string; reason: string };

/**
 * What to do so that as many replicas run as are wanted. Replicas that are ill are mended, not replaced, so an app
 * that never becomes healthy keeps its number of replicas and its back-off.
 */
export function planReplicas(input: ReplicaPlanInput): ReplicaAction[] {
  const actions: ReplicaAction[] = [];
  const kept = input.replicas.filter((replica) => replica.state !== 'draining' && replica.state !== 'stopped');
  // `lost` ones are on a machine that does not answer: their place is taken by others.
  const counting = kept.filter((replica) => replica.state !== 'lost');
  const surplus = counting.length - input.desired;

  if (surplus > 0) {
    for (const replica of [...counting].sort(leastUseful).slice(0, surplus))
      actions.push({ do: 'drain', id: replica.id });
  }
  const leaving = new Set(actions.map((action) => ('id' in action ? action.id : '')));
  for (const replica of counting) {
    if (leaving.has(replica.id)) continue;
    if (replica.state === 'crash-looping' && replica.retryAt <= input.now) {
      actions.push({ do: 'restart', id: replica.id, reason: 'its back-off is over' });
    }
    if (replica.state === 'unhealthy' && input.now - replica.since >= input.unhealthyMs) {
      actions.push({ do: 'restart', id: replica.id, reason: 'it stayed unhealthy' });
    }
  }
  let highest = Math.max(0, ...input.replicas.map((replica) => replica.number));
  for (let missing = -surplus; missing > 0; missing -= 1) {
    highest += 1;
    actions.push({ do: 'add', number: highest });
  }
  return actions;
}

const USEFULNESS: Record<ReplicaState, number> = {
  stopped: 0,
  lost: 0,
  draining: 0,
  'crash-looping': 1,
  unhealthy: 2,
  starting: 3,
  healthy: 4,
};

/** The ill before the well, then the youngest (highest number) first. */
function leastUseful(a: PlannedReplica, b: PlannedReplica): number {
  return USEFULNESS[a.state] - USEFULNESS[b.state] || b.number - a.number;
}

/** First wait after a failure and the longest one; Kubernetes' CrashLoopBackOff is 10 s to 5 min, ours is for people who watch. */
const FIRST_BACKOFF_MS = 1000;
const LONGEST_BACKOFF_MS = 60_000;

/** How long to wait before the next try after `failures` failures in a row. */
export function crashBackoffMs(failures: number): number {
  return Math.min(FIRST_BACKOFF_MS * 2 ** Math.max(0, failures - 1), LONGEST_BACKOFF_MS);
}

/** Whether an instance is `running` or `degraded`, and why. */
export function instanceHealth(
  min: number,
  replicas: readonly { state: ReplicaState; reason: string | null }[],
): { state: 'running' | 'degraded'; reason: string; healthy: number } {
  const healthy = replicas.filter((replica) => replica.state === 'healthy').length;
  if (healthy >= min) return { state: 'running', reason: '', healthy };
  const ill = replicas.find((replica) => replica.reason && replica.state !== 'draining');
  const why = ill?.reason ? `: ${ill.reason}` : '';
  return { state: 'degraded', reason: `${healthy} of ${min} replicas are healthy${why}`, healthy };
}
