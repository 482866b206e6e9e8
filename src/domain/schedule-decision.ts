import { GRACE_MS, type Rules, type Starts } from './schedule.ts';

/** How far a schedule has come; kept in the same transaction as the messages that follow from it. */
export interface Progress {
  /** Every start up to here has been decided about. */
  handled: number;
  /** The occurrence whose start was told and whose end was not. */
  active: { start: number; end: number } | null;
}

export type Action =
  | { kind: 'start'; start: number; end: number | null; late: boolean }
  | { kind: 'end'; start: number; end: number; replaced: boolean }
  /** Starts that come to nothing: the last of them, and how many; null is more than are worth counting. */
  | { kind: 'skip'; reason: 'missed' | 'overlap' | 'paused'; start: number; count: number | null };

export interface Decision {
  actions: Action[];
  progress: Progress;
  /** When to decide again; null when nothing can come any more. */
  nextAt: number | null;
}

const COUNTED = 100;

/**
 * What is due now. Whatever the ticks, restarts and jumps of the clock: each start is decided about once, as `handled`
 * only grows; what was started ends once, as `active` is cleared with it; and nothing starts before its time.
 */
export function decide(rules: Rules, starts: Starts, progress: Progress, now: number): Decision {
  const actions: Action[] = [];
  let { handled, active } = progress;
  const { due, next, passed } = dueOf(starts, handled, now);
  const isDue = due !== null;
  const open = isDue && (rules.durationMs === null || due + rules.durationMs > now);
  const late = isDue && due < now - GRACE_MS;
  // Late ones start only if asked for, and none into a window that is over.
  const startable = open && (rules.missed === 'once' || !late);

  if (isDue) {
    const overlaps = active !== null && due < active.end;
    const leftOut = overlaps && (rules.overlap === 'skip' || !startable);
    if (leftOut || !startable) {
      const reason = overlaps && rules.overlap === 'skip' ? 'overlap' : 'missed';
      if (active && active.end <= now) {
        actions.push({ kind: 'end', ...active, replaced: false });
        active = null;
      }
      actions.push({ kind: 'skip', reason, start: due, count: passed === null ? null : passed + 1 });
    } else {
      if (active) actions.push({ kind: 'end', ...active, replaced: active.end > now });
      const before = passed === 0 ? null : starts.latest(due - 1);
      if (before !== null) actions.push({ kind: 'skip', reason: 'missed', start: before, count: passed });
      const end = rules.durationMs === null ? null : due + rules.durationMs;
      actions.push({ kind: 'start', start: due, end, late });
      active = end === null ? null : { start: due, end };
    }
    handled = due;
  }
  if (active && active.end <= now) {
    actions.push({ kind: 'end', ...active, replaced: false });
    active = null;
  }
  return { actions, progress: { handled, active }, nextAt: earliest(active?.end ?? null, next) };
}

/** The last start that is due, how many came before it, and the first that is not. */
function dueOf(
  starts: Starts,
  handled: number,
  now: number,
): { due: number | null; next: number | null; passed: number | null } {
  const first = starts.after(handled);
  if (first === null || first > now) return { due: null, next: first, passed: 0 };
  const second = starts.after(first);
  // Almost always: reckoning dates is what a decision costs.
  if (second === null || second > now) return { due: first, next: second, passed: 0 };
  const due = starts.latest(now) ?? first;
  return { due, next: starts.after(due), passed: countBetween(starts, handled, due) };
}

/** While it is paused nothing starts; what runs still ends at its time. */
export function decidePaused(progress: Progress, now: number): Decision {
  const { handled, active } = progress;
  if (!active || active.end > now) return { actions: [], progress, nextAt: active?.end ?? null };
  return {
    actions: [{ kind: 'end', ...active, replaced: false }],
    progress: { handled, active: null },
    nextAt: null,
  };
}

/** What would have started in the pause is left out: whoever paused did not want it. */
export function resume(starts: Starts, progress: Progress, now: number): Decision {
  const due = starts.latest(now);
  const passed = due !== null && due > progress.handled;
  const count = passed ? countBetween(starts, progress.handled, due) : 0;
  const handled = passed ? due : progress.handled;
  return {
    actions: passed ? [{ kind: 'skip', reason: 'paused', start: due, count: count === null ? null : count + 1 }] : [],
    progress: { handled, active: progress.active },
    nextAt: earliest(progress.active?.end ?? null, starts.after(handled)),
  };
}

/**
 * Where a new schedule begins: what started before it was made is no business of it, but for a start within the grace,
 * and for a window that is open and may start late.
 */
export function initialProgress(rules: Rules, starts: Starts, madeAt: number): Progress {
  const last = starts.latest(madeAt);
  if (last === null) return { handled: 0, active: null };
  const fresh = last >= madeAt - GRACE_MS;
  const open = rules.missed === 'once' && rules.durationMs !== null && last + rules.durationMs > madeAt;
  return { handled: fresh || open ? last - 1 : last, active: null };
}

/** How many starts lie between the two, or null when they are many. */
function countBetween(starts: Starts, after: number, before: number): number | null {
  let count = 0;
  for (let start = starts.after(after); start !== null && start < before; start = starts.after(start)) {
    count += 1;
    if (count > COUNTED) return null;
  }
  return count;
}

function earliest(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}
