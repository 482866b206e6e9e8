import type { InstanceSpec } from '../../domain/instance.ts';
import type { InstanceRow } from './store.ts';

export type RolloutKind = 'upgrade' | 'rollback' | 'restart';

/** A new version of an instance that the load balancer was, or is to be, told of. */
export interface Candidate {
  kind: RolloutKind;
  spec: InstanceSpec;
  /** JSON of the settings as shown. */
  config: string;
  /** The generation whose version a rollback leads back to. */
  restores: number | null;
}

/** What is kept of a rollout in the instance's row. */
export interface Rollout {
  state: 'under way' | 'rolled back';
  requestId: string;
  reason?: string;
  lastLogLines?: string[];
  /**
   * The one that is meant is the last. Those that it replaced stay known: the load balancer may have been quicker
   * than the wish for a newer one, and then its word counts.
   */
  candidates: Candidate[];
}

const KEPT_CANDIDATES = 3;

export function rolloutOf(row: Pick<InstanceRow, 'rollout'>): Rollout | null {
  return row.rollout === null ? null : (JSON.parse(row.rollout) as Rollout);
}

/** What is to come in, while it does. */
export function underWay(row: Pick<InstanceRow, 'rollout'>): { rollout: Rollout; wanted: Candidate } | null {
  const rollout = rolloutOf(row);
  const wanted = rollout?.candidates.at(-1);
  return rollout?.state === 'under way' && wanted ? { rollout, wanted } : null;
}

export function withCandidate(before: Rollout | null, requestId: string, wanted: Candidate): Rollout {
  const candidates = [...(before?.candidates ?? []), wanted].slice(-KEPT_CANDIDATES);
  return { state: 'under way', requestId, candidates };
}

/** As INSTANCE shows it. */
export function rolloutView(
  row: Pick<InstanceRow, 'rollout'>,
): { version: string; state: Rollout['state']; reason?: string; lastLogLines?: string[] } | null {
  const rollout = rolloutOf(row);
  const wanted = rollout?.candidates.at(-1);
  if (!rollout || !wanted) return null;
  const { state, reason, lastLogLines } = rollout;
  return {
    version: wanted.spec.version,
    state,
    ...(reason === undefined ? {} : { reason }),
    ...(lastLogLines?.length ? { lastLogLines } : {}),
  };
}

/** `upgrade to 1.2.0`, as the timeline names it. */
export function describeRollout({ kind, spec }: Candidate): string {
  if (kind === 'restart') return 'restart';
  return `${kind} to ${spec.version}`;
}
