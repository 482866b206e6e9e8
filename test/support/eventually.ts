import { setTimeout as sleep } from 'node:timers/promises';

export interface EventuallyOptions {
  /**
   * How long to go on trying, milliseconds. Default 10 s: generous, for a machine that is busy with other tests; 30 s on a
   * fleet, as containers start slower than processes; less where a failure is what is wanted (`test/contracts/broken.ts`).
   */
  deadlineMs?: number;
  /** Pause between two tries, milliseconds. Default 25. */
  everyMs?: number;
}

/**
 * Runs `fn` until it neither throws nor returns `false`, `null` or `undefined`, and returns what it returned.
 * When `fn` only asserts, have it return `true`. Once the deadline is over, the last failure is thrown.
 *
 * ```ts
 * const info = await eventually(() => runtime.inspect(id));
 * await eventually(() => { assert.equal(seen.length, 2); return true; });
 * ```
 */
export async function eventually<T>(
  fn: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<Exclude<T, false | null | undefined>> {
  const { AVISHKAR_TEST_DEADLINE_MS: told, AVISHKAR_TEST_FLEET: fleet } = process.env;
  const deadlineMs = options.deadlineMs ?? Number(told ?? (fleet ? 30_000 : 10_000));
  const end = performance.now() + deadlineMs;
  for (;;) {
    let failure: unknown;
    try {
      const value = await fn();
      if (value !== false && value !== null && value !== undefined) {
        return value as Exclude<T, false | null | undefined>;
      }
      failure = new Error(`still ${String(value)} after ${deadlineMs} ms`);
    } catch (error) {
      failure = error;
    }
    if (performance.now() >= end) throw failure;
    await sleep(options.everyMs ?? 25);
  }
}
