/** At most so many at once, first come first served; whoever gives up leaves the queue. */
export class Turns {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(limit: number) {
    this.#free = limit;
  }

  async take<T>(signal: AbortSignal, fn: () => Promise<T>): Promise<T> {
    await this.#wait(signal);
    try {
      return await fn();
    } finally {
      this.#free += 1;
      this.#queue.shift()?.();
    }
  }

  async #wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const give = (): void => {
        signal.removeEventListener('abort', leave);
        this.#free -= 1;
        resolve();
      };
      const leave = (): void => {
        this.#queue.splice(this.#queue.indexOf(give), 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#queue.push(give);
    });
  }
}
