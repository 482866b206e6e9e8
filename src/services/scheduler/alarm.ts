import { messageOf } from '../../domain/errors.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';

/** Rings when something is due. */
export interface Alarm {
  /** Something changed: looks in a moment, as more of the kind may come. */
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
const TOGETHER_MS = 20;
const RETRY_MS = 1000;

/** One timer for all that is to come. */
export function createAlarm({ clock, log, ring }: AlarmOptions): Alarm {
  let timer: Timer | null = null;
  /** When the timer fires, on the monotonic clock, and what it is set for, on the wall's. */
  let firesAt = 0;
  let dueAt = 0;
  let running: Promise<void> | null = null;
  let again = false;
  let stopped = false;

  function wait(until: number): void {
    if (stopped) return;
    const ms = Math.min(Math.max(until - clock.now(), TOGETHER_MS), LONGEST_MS);
    const at = clock.monotonic() + ms;
    dueAt = timer ? Math.min(dueAt, until) : until;
    // One that fires sooner stays: a stream of news cannot put off what is due.
    if (timer && firesAt <= at) return;
    timer?.cancel();
    firesAt = at;
    timer = clock.after(ms, fire, { background: true });
  }

  function fire(): void {
    timer = null;
    if (clock.now() >= dueAt) look();
    else wait(dueAt);
  }

  function look(): void {
    if (stopped) return;
    again = true;
    if (running) return;
    running = rounds()
      .catch((error) => {
        log.error({ reason: messageOf(error) }, 'what is due could not be told; it is tried again');
        wait(clock.now() + RETRY_MS);
      })
      .finally(() => {
        running = null;
        if (again) look();
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
    poke: () => wait(clock.now()),
    async stop() {
      stopped = true;
      timer?.cancel();
      await running;
    },
  };
}
