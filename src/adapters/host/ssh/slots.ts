/** A limited number of things at a time. */
export interface Slots {
  /** Waits for its turn. The one who got it calls what is returned, once. */
  take(signal: AbortSignal): Promise<() => void>;
  /** How many have their turn now. */
  taken(): number;
}

export function createSlots(limit: number): Slots {
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
    taken: () => taken,
  };
}
