import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../src/ports/clock.ts';

interface Pending {
  at: number;
  order: number;
  fn: () => void;
}

export interface VirtualClock extends Clock {
  /** Lets time pass: runs the timers that come due, each at its own moment, and lets what they began settle in between. */
  advance(ms: number): Promise<void>;
  /** How many timers are set. */
  pending(): number;
}

/** Turns of the event loop given to what a timer began: file system and database answers take a few. */
const SETTLING_TURNS = 20;

/** A clock that stands still until it is told to go on. */
export function createVirtualClock(start: number = Date.UTC(2026, 0, 1)): VirtualClock {
  let elapsed = 0;
  let count = 0;
  const timers = new Set<Pending>();

  function after(ms: number, fn: () => void): { cancel(): void } {
    const timer: Pending = { at: elapsed + Math.max(0, ms), order: count++, fn };
    timers.add(timer);
    return { cancel: () => timers.delete(timer) };
  }

  function next(until: number): Pending | undefined {
    const due = [...timers].filter((timer) => timer.at <= until);
    return due.sort((a, b) => a.at - b.at || a.order - b.order)[0];
  }

  return {
    now: () => start + elapsed,
    monotonic: () => elapsed,
    after,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const leave = (): void => {
          timer.cancel();
          reject(signal?.reason);
        };
        const timer = after(ms, () => {
          signal?.removeEventListener('abort', leave);
          resolve();
        });
        signal?.addEventListener('abort', leave, { once: true });
      }),
    async advance(ms) {
      const until = elapsed + ms;
      await settle();
      for (let timer = next(until); timer; timer = next(until)) {
        timers.delete(timer);
        elapsed = timer.at;
        timer.fn();
        await settle();
      }
      elapsed = until;
    },
    pending: () => timers.size,
  };
}

async function settle(): Promise<void> {
  for (let count = 0; count < SETTLING_TURNS; count += 1) await turn();
}
