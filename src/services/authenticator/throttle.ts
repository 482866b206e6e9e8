import type { Clock } from '../../ports/clock.ts';

/** Slows down guessing: so many failures per key within the window, then none until it has passed. */
export interface Throttle {
  /** Seconds to wait, or 0. */
  waitSeconds(key: string): number;
  failed(key: string): void;
  succeeded(key: string): void;
}

/** OWASP's advice on credential stuffing: lock for a while by account and source, do not lock for ever. */
const FAILURES = 10;
const WINDOW_MS = 60_000;
const MOST_KEYS = 10_000;

export function createThrottle(clock: Clock): Throttle {
  const failures = new Map<string, { count: number; until: number }>();
  return {
    waitSeconds(key) {
      const entry = failures.get(key);
      const now = clock.monotonic();
      if (!entry || entry.until <= now || entry.count < FAILURES) return 0;
      return Math.ceil((entry.until - now) / 1000);
    },
    failed(key) {
      const now = clock.monotonic();
      const entry = failures.get(key);
      if (failures.size >= MOST_KEYS) {
        for (const [old, value] of failures) if (value.until <= now) failures.delete(old);
      }
      const count = entry && entry.until > now ? entry.count + 1 : 1;
      failures.set(key, { count, until: now + WINDOW_MS });
    },
    succeeded(key) {
      failures.delete(key);
    },
  };
}
