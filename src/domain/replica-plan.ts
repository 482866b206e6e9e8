import type { ReplicaState } from './replica.ts';

/**
 * How a replica stands to what is wanted. `outdated`: another version is wanted, or its machine is being drained and
 * another one can take it; it serves until a current one does. `abandoned`: outdated, and nothing is left to start it
 * from, as its version was wanted for a while only.
 */
export type Standing = 'current' | 'outdated' | 'abandoned';

/** One replica as the load balancer knows it. */
export interface PlannedReplica {
  id: string;
  number: number;
  node: string;
  state: ReplicaState;
  standing: Standing;
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
 * What to do so that as many current replicas run as are wanted. Replicas that are ill are mended, not replaced, so an
 * app that never becomes healthy keeps its number of replicas and its back-off. Outdated ones are replaced one by one:
 * one more is started, and when it is healthy, an outdated one goes. Never are fewer healthy than before or wanted.
 */
export function planReplicas(input: ReplicaPlanInput): ReplicaAction[] {
  const { desired } = input;
  // `lost` ones are on a machine that does not answer: their place is taken by others.
  const counting = input.replicas.filter(({ state }) => !['draining', 'stopped', 'lost'].includes(state));
  const current = counting.filter(({ standing }) => standing === 'current');
  const outdated = counting.filter(({ standing }) => standing !== 'current');

  const leaving = new Set(outdatedToLeave(outdated, healthyOf(current), desired));
  const stayingOutdated = outdated.filter((replica) => !leaving.has(replica));
  // One more than wanted, as long as there is something to replace.
  const allowed = desired + (stayingOutdated.length > 0 ? 1 : 0);
  const surplus = current.length + stayingOutdated.length - allowed;
  if (surplus > 0) {
    const idle = stayingOutdated.filter(({ state }) => state !== 'healthy');
    const victims = [...idle.sort(leastUseful), ...[...current].sort(leastUseful)];
    for (const replica of victims.slice(0, surplus)) leaving.add(replica);
  }

  const actions: ReplicaAction[] = [...leaving].map(({ id }) => ({ do: 'drain', id }));
  const staying = counting.filter((replica) => !leaving.has(replica));
  for (const replica of staying) {
    if (replica.standing !== 'current') continue;
    if (replica.state === 'crash-looping' && replica.retryAt <= input.now) {
      actions.push({ do: 'restart', id: replica.id, reason: 'its back-off is over' });
    }
    if (replica.state === 'unhealthy' && input.now - replica.since >= input.unhealthyMs) {
      actions.push({ do: 'restart', id: replica.id, reason: 'it stayed unhealthy' });
    }
  }
  let highest = Math.max(0, ...input.replicas.map((replica) => replica.number));
  const missing = desired - staying.length;
  const replacing = missing === 0 && staying.some(({ standing }) => standing !== 'current');
  const allUp = staying.every(({ standing, state }) => standing !== 'current' || state === 'healthy');
  for (let more = replacing && allUp ? 1 : missing; more > 0; more -= 1) {
    highest += 1;
    actions.push({ do: 'add', number: highest });
  }
  return actions;
}

/** The outdated that may go now: those that do not serve and never will, and as many others as can be done without. */
function outdatedToLeave(
  outdated: readonly PlannedReplica[],
  currentHealthy: number,
  desired: number,
): PlannedReplica[] {
  const healthy = outdated.filter(({ state }) => state === 'healthy');
  const spare = Math.min(healthy.length, Math.max(0, currentHealthy + healthy.length - desired));
  const enough = currentHealthy + healthy.length >= desired;
  // One that is just coming up is waited for where it is needed, such as after a restart of the platform.
  const useless = outdated.filter(
    ({ state, standing }) => state !== 'healthy' && (enough || state !== 'starting' || standing === 'abandoned'),
  );
  const crowd = (replica: PlannedReplica): number => healthy.filter(({ node }) => node === replica.node).length;
  // Where most of them are, so that the rest stays spread; of those the oldest.
  const order = [...healthy].sort((a, b) => crowd(b) - crowd(a) || a.number - b.number);
  return [...useless, ...order.slice(0, spare)];
}

function healthyOf(replicas: readonly PlannedReplica[]): number {
  return replicas.filter(({ state }) => state === 'healthy').length;
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

/**
 * Whether an instance is `running` or `degraded`, and why.
 *
 * @param unrouted why its route is not live; null when it is
 */
export function instanceHealth(
  min: number,
  replicas: readonly { state: ReplicaState; reason: string | null }[],
  unrouted: string | null,
): { state: 'running' | 'degraded'; reason: string; healthy: number } {
  const healthy = replicas.filter((replica) => replica.state === 'healthy').length;
  if (unrouted !== null) return { state: 'degraded', reason: `it cannot be reached: ${unrouted}`, healthy };
  if (healthy >= min) return { state: 'running', reason: '', healthy };
  const ill = replicas.find((replica) => replica.reason && replica.state !== 'draining');
  const why = ill?.reason ? `: ${ill.reason}` : '';
  return { state: 'degraded', reason: `${healthy} of ${min} replicas are healthy${why}`, healthy };
}
