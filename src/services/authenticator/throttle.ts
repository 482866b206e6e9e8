import type { Clock } from '../../ports/clock.ts';

/** Slows down guessing: so many failures per key within the window, then none until it has passed. */
export interface Throttle {
  /** Seconds to wait, or 0. */
  waitSeconds(key: string): number;
  failed(key: string): void;
  succeeded(key: string): void;
  /** True once per key and window in which it has to wait. */
  firstRefusal(key: string): boolean;
}

const WINDOW_MS = 60_000;
const MOST_KEYS = 10_000;

/** OWASP's advice on credential stuffing: lock for a while by account and source, do not lock for ever. */
export function createThrottle(clock: Clock, most: number): Throttle {
  const failures = new Map<string, { count: number; until: number; told: boolean }>();

  function makeRoom(now: number): void {
    if (failures.size < MOST_KEYS) return;
    for (const [old, { until }] of failures) if (until <= now) failures.delete(old);
    for (const old of failures.keys()) {
      if (failures.size < MOST_KEYS) break;
      failures.delete(old);
    }
  }

  return {
    waitSeconds(key) {
      const entry = failures.get(key);
      const now = clock.monotonic();
      if (!entry || entry.until <= now || entry.count < most) return 0;
      return Math.ceil((entry.until - now) / 1000);
    },
    failed(key) {
      const now = clock.monotonic();
      const entry = failures.get(key);
      failures.delete(key);
      makeRoom(now);
      const count = entry && entry.until > now ? entry.count + 1 : 1;
      failures.set(key, { count, until: now + WINDOW_MS, told: false });
    },
    succeeded(key) {
      failures.delete(key);
    },
    firstRefusal(key) {
      const entry = failures.get(key);
      if (!entry || entry.told) return false;
      entry.told = true;
      return true;
    },
  };
}
