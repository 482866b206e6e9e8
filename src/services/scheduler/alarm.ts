import { messageOf } from '../../domain/errors.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';

/** Rings when something is due. */
export interface Alarm {
  /** Something changed: looks at once. */
  poke(): void;
  stop(): Promise<void>;
}

export interface AlarmOptions {
  clock: Clock;
  log: Log;
  /** Does what is due, and returns when the next is; null when nothing will be. */
  ring: () => Promise<number | null>;
}

/** A timer cannot see that the wall clock was set or the machine slept, so it is never longer than this. */
const LONGEST_MS = 1000;
/** What falls due within this shares a transaction with its fsync. */
const TOGETHER_MS = 10;
const RETRY_MS = 1000;

/** One timer for all that is to come. */
export function createAlarm({ clock, log, ring }: AlarmOptions): Alarm {
  let timer: Timer | null = null;
  let running: Promise<void> | null = null;
  let again = false;
  let stopped = false;

  function wait(until: number): void {
    timer?.cancel();
    if (stopped) return;
    const ms = Math.min(Math.max(until - clock.now(), TOGETHER_MS), LONGEST_MS);
    timer = clock.after(ms, () => (clock.now() >= until ? poke() : wait(until)), { background: true });
  }

  function poke(): void {
    if (stopped) return;
    again = true;
    if (running) return;
    timer?.cancel();
    timer = null;
    running = rounds()
      .catch((error) => {
        log.error({ reason: messageOf(error) }, 'what is due could not be told; it is tried again');
        wait(clock.now() + RETRY_MS);
      })
      .finally(() => {
        running = null;
        if (again) poke();
      });
  }

  async function rounds(): Promise<void> {
    while (again && !stopped) {
      again = false;
      const next = await ring();
      if (next !== null) wait(next);
    }
  }

  return {
    poke,
    async stop() {
      stopped = true;
      timer?.cancel();
      await running;
    },
  };
}
