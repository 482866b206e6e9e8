/** News within one process, for live views. Nothing depends on it: whoever misses one reads the state. */
export interface Events<T> {
  publish(event: T): void;
  /** Returns the way to stop listening. */
  subscribe(listener: (event: T) => void): () => void;
}

export function createEvents<T>(): Events<T> {
  const listeners = new Set<(event: T) => void>();
  return {
    publish(event) {
      for (const listener of listeners) listener(event);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}
