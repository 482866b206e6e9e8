import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

/** The body went over the route's `maxBodyBytes`. */
export class BodyTooLarge extends Error {
  constructor(limit: number) {
    super(`the request body is larger than ${limit} bytes`);
    this.name = 'BodyTooLarge';
  }
}

/**
 * One attempt's view of a request body: reads from the client only as fast as the upstream takes it, counts, and can
 * be destroyed without destroying the request, so that another attempt may follow as long as nothing was read.
 */
export class BodyStream extends Readable {
  readonly #request: IncomingMessage;
  /** 0 means no limit. */
  readonly #limit: number;
  #bytes = 0;
  #attached = false;
  readonly #onData = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    if (this.#limit > 0 && this.#bytes > this.#limit) this.destroy(new BodyTooLarge(this.#limit));
    else if (!this.push(chunk)) this.#request.pause();
  };
  readonly #onEnd = (): void => {
    this.push(null);
  };
  readonly #onGone = (): void => {
    if (!this.#request.complete) this.destroy(new Error('the client went away'));
  };

  constructor(request: IncomingMessage, limit: number) {
    super({ highWaterMark: 64 * 1024 });
    this.#request = request;
    this.#limit = limit;
  }

  /** True once bytes of the body were taken from the client: they cannot be sent again. */
  get consumed(): boolean {
    return this.#bytes > 0;
  }

  override _read(): void {
    if (!this.#attached) {
      this.#attached = true;
      this.#request.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onGone).on('error', this.#onGone);
    }
    this.#request.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (this.#attached) {
      this.#request.pause();
      this.#request
        .off('data', this.#onData)
        .off('end', this.#onEnd)
        .off('close', this.#onGone)
        .off('error', this.#onGone);
    }
    callback(error);
  }
}

/** Reads a body of known, small length whole. Calls back at most once: never when the client goes away before its end. */
export function readWhole(request: IncomingMessage, done: (body: Buffer) => void): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const [first] = chunks;
    done(chunks.length === 1 && first ? first : Buffer.concat(chunks));
  });
}
