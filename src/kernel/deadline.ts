import { AvkError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';

/**
 * Runs `fn` with a signal that aborts after `ms` or when `parent` does, and does not wait for an `fn` that ignores it.
 *
 * @param what names the work in the error, e.g. `build of room-comfort`
 * @throws AvkError AVK_DEADLINE, or the parent's reason
 */
export async function withDeadline<T>(
  clock: Clock,
  ms: number,
  what: string,
  fn: (signal: AbortSignal) => Promise<T>,
  parent?: AbortSignal,
): Promise<T> {
  parent?.throwIfAborted();
  const controller = new AbortController();
  const timer = clock.after(ms, () => {
    controller.abort(new AvkError('AVK_DEADLINE', `${what} took longer than ${formatSeconds(ms)}`));
  });
  const follow = (): void => controller.abort(parent?.reason);
  parent?.addEventListener('abort', follow, { once: true });
  const aborted = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason), { once: true });
  });
  try {
    return await Promise.race([fn(controller.signal), aborted]);
  } finally {
    timer.cancel();
    parent?.removeEventListener('abort', follow);
  }
}

function formatSeconds(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${Math.round(ms / 100) / 10} s`;
}
