import { Duplex } from 'node:stream';
import type { ClientChannel } from 'ssh2';

/**
 * A channel that behaves as a socket does: nothing is read from it once it was destroyed, it closes at once, and when
 * its connection is lost it fails instead of coming to an end. The library's own does none of these.
 */
export class ChannelStream extends Duplex {
  readonly #channel: ClientChannel;

  /** @param lost aborts with the connection that the channel goes through */
  constructor(channel: ClientChannel, lost: AbortSignal) {
    // As sockets are: what was read to its end is not written to any more, so that the channel goes away.
    super({ allowHalfOpen: false });
    this.#channel = channel;
    const fail = (): void => void this.destroy(lost.reason);
    lost.addEventListener('abort', fail, { once: true });
    channel.on('data', (chunk: Buffer) => {
      if (!this.destroyed && !this.push(chunk)) channel.pause();
    });
    channel.on('end', () => {
      if (lost.aborted) fail();
      else if (!this.destroyed) this.push(null);
    });
    // Its end is told by `close`.
    channel.on('error', () => undefined);
    channel.on('close', () => {
      lost.removeEventListener('abort', fail);
      // Nobody takes what is written now. What came before is still to be read.
      const over = (): void => void this.destroy();
      if (this.readableEnded) over();
      else this.once('end', over);
    });
    if (lost.aborted) fail();
  }

  override _read(): void {
    this.#channel.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#channel.write(chunk, encoding, () => callback());
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#channel.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#channel.close();
    // What still comes is thrown away, so that the library comes to its end with it.
    this.#channel.resume();
    callback(error);
  }

  /** What HTTP's client asks of a socket; over SSH there is nothing to be set. */
  setKeepAlive(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}
