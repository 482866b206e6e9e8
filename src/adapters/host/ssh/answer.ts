import type { Clock } from '../../../ports/clock.ts';

/** A signal that also aborts after `ms`, with what `late` makes. To be disposed of, which gives up its timer. */
export interface Deadline {
  signal: AbortSignal;
  [Symbol.dispose](): void;
}

export function deadline(clock: Clock, signal: AbortSignal, ms: number, late: () => Error): Deadline {
  const over = new AbortController();
  const timer = clock.after(ms, () => over.abort(late()));
  return { signal: AbortSignal.any([signal, over.signal]), [Symbol.dispose]: () => timer.cancel() };
}

/**
 * Waits for the callback of a request, or for the signal, whichever comes first. An answer that comes after the signal
 * is given to `late`, so that what it opened is closed.
 */
export function answer<T>(
  signal: AbortSignal,
  ask: (callback: (error: Error | null | undefined, value: T) => void) => void,
  late: (value: T) => void = () => undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      ask((error, value) => {
        signal.removeEventListener('abort', abort);
        if (error) reject(error);
        else if (signal.aborted) late(value);
        else resolve(value);
      });
    } catch (error) {
      signal.removeEventListener('abort', abort);
      reject(error);
    }
  });
}
