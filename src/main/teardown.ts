import { messageOf } from '../domain/errors.ts';
import { withDeadline } from '../kernel/deadline.ts';
import type { Clock } from '../ports/clock.ts';

/** What was begun, to be ended the other way round. */
export interface Teardown {
  add(what: string, end: () => Promise<void> | void): void;
  /** Ends everything, each within its time; what fails is said and does not keep the rest from ending. Runs once. */
  run(): Promise<void>;
}

/** Longer than the grace that apps get. */
const STEP_MS = 30_000;

export function createTeardown(clock: Clock, say: (sentence: string) => void): Teardown {
  const steps: { what: string; end: () => Promise<void> | void }[] = [];
  let done: Promise<void> | null = null;

  async function unwind(): Promise<void> {
    for (const { what, end } of steps.toReversed()) {
      try {
        await withDeadline(clock, STEP_MS, `ending ${what}`, async () => end());
      } catch (error) {
        say(`while stopping ${what}: ${messageOf(error)}`);
      }
    }
  }

  return {
    add: (what, end) => steps.push({ what, end }),
    run() {
      done ??= unwind();
      return done;
    },
  };
}
