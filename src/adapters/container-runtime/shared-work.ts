/** What callers that wait for the same work bring along. */
export interface Waiting {
  signal: AbortSignal;
  log: (line: string) => void;
}

/** Tells all that wait a line; `abandoned` aborts when nobody waits any more. */
export type Work = (tell: (line: string) => void, abandoned: AbortSignal) => Promise<void>;

interface Current {
  abandon: AbortController;
  waiting: Set<(line: string) => void>;
  done: Promise<void>;
}

/**
 * Work under a key, done once for all that ask for it meanwhile. Who gives up leaves at once while others go on; the
 * last one to leave abandons the work, and leaves when it has ended.
 */
export function createSharedWork() {
  const running = new Map<string, Current>();

  async function share(current: Current, { signal, log }: Waiting): Promise<void> {
    // A function of its own, as two callers may pass the same one.
    const tell = (line: string): void => log(line);
    current.waiting.add(tell);
    const gaveUp = new Promise<void>((resolve) => {
      const leave = (): void => {
        current.waiting.delete(tell);
        if (current.waiting.size > 0) resolve();
        // The last one to leave sees to it that the work has ended before it goes.
        else current.abandon.abort(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      current.done.catch(() => undefined).finally(() => signal.removeEventListener('abort', leave));
    });
    await Promise.race([current.done, gaveUp]);
    current.waiting.delete(tell);
    signal.throwIfAborted();
  }

  return {
    async run(key: string, caller: Waiting, work: Work): Promise<void> {
      for (;;) {
        caller.signal.throwIfAborted();
        let current = running.get(key);
        if (!current) {
          const abandon = new AbortController();
          const waiting = new Set<(line: string) => void>();
          const tell = (line: string): void => {
            for (const each of waiting) each(line);
          };
          const done = work(tell, abandon.signal).finally(() => running.delete(key));
          current = { abandon, waiting, done };
          running.set(key, current);
        } else if (current.abandon.signal.aborted) {
          // It is being cleared away for others that gave up; that is no answer for this caller.
          await current.done.catch(() => undefined);
          continue;
        }
        return await share(current, caller);
      }
    },
    /** Ends all work for this reason. */
    async end(reason: Error): Promise<void> {
      const all = [...running.values()];
      for (const each of all) each.abandon.abort(reason);
      await Promise.allSettled(all.map((each) => each.done));
    },
  };
}
