/** A pending timer. Cancelling one that fired is harmless. */
export interface Timer {
  cancel(): void;
}

/** Time, so that tests can own it. Nothing outside `adapters/` reads a clock or sets a timer in any other way. */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. May jump. */
  now(): number;
  /** Milliseconds since an arbitrary start; never goes back. For durations and deadlines. */
  monotonic(): number;
  /** Runs `fn` once after `ms`. The timer keeps the process alive unless `background` is set. */
  after(ms: number, fn: () => void, options?: { background?: boolean }): Timer;
  /** Resolves after `ms`; rejects with the signal's reason if it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
