/** One thing at a time per key, in the order asked for. */
export function createLocks() {
  const last = new Map<string, Promise<unknown>>();
  return {
    run<T>(key: string, fn: () => Promise<T>): Promise<T> {
      const turn = (last.get(key) ?? Promise.resolve()).then(fn, fn);
      const settled = turn
        .catch(() => undefined)
        .then(() => {
          if (last.get(key) === settled) last.delete(key);
        });
      last.set(key, settled);
      return turn;
    },
    /** Resolves when nothing runs. */
    async idle(): Promise<void> {
      while (last.size > 0) await Promise.all(last.values());
    },
  };
}
