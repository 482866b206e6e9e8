/** A limited number of things at a time. */
export interface Slots {
  /** Waits for its turn. The one who got it calls what is returned, once. */
  take(signal: AbortSignal): Promise<() => void>;
  /**
   * There turned out to be fewer than are taken. False when the caller is the only one, so that waiting is no use.
   */
  shrink(): boolean;
}

export function createSlots(most: number): Slots {
  let limit = most;
  let taken = 0;
  const waiting = new Set<() => void>();
  const next = (): void => {
    for (const begin of waiting) {
      if (taken >= limit) return;
      waiting.delete(begin);
      begin();
    }
  };
  const grant = (): (() => void) => {
    taken += 1;
    let given = false;
    return () => {
      if (given) return;
      given = true;
      taken -= 1;
      next();
    };
  };
  return {
    async take(signal) {
      signal.throwIfAborted();
      if (taken < limit) return grant();
      return new Promise((resolve, reject) => {
        const begin = (): void => {
          signal.removeEventListener('abort', abort);
          resolve(grant());
        };
        const abort = (): void => {
          waiting.delete(begin);
          reject(signal.reason);
        };
        signal.addEventListener('abort', abort, { once: true });
        waiting.add(begin);
      });
    },
    shrink() {
      if (taken <= 1) return false;
      limit = Math.max(1, Math.min(limit, taken - 1));
      return true;
    },
  };
}
