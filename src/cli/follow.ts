import { AvkError } from '../domain/errors.ts';
import type { Client } from './client.ts';
import { clock } from './clock.ts';
import type { ServerEvent } from './sse.ts';

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5000;

export interface FollowOptions {
  /** Where to read next: asked at each connection. Null ends it. */
  path: () => Promise<string | null>;
  signal: AbortSignal;
  /** Called at each connection, when it is open. */
  opened?: () => Promise<void> | void;
  /** Called when a connection was lost and will be made again. */
  lost?: (why: string) => void;
}

/**
 * Events of one connection after the other, until `path` gives none any more or the signal aborts.
 *
 * @throws AvkError what the first connection meets, and later what trying again would not mend
 */
export async function* follow(client: Client, options: FollowOptions): AsyncGenerator<ServerEvent> {
  const { signal } = options;
  let pause = FIRST_PAUSE_MS;
  let connected = false;
  while (!signal.aborted) {
    try {
      const path = await options.path();
      if (path === null) return;
      const opening: Promise<void>[] = [];
      const events = client.events(path, signal, () => {
        connected = true;
        pause = FIRST_PAUSE_MS;
        opening.push(Promise.resolve(options.opened?.()));
      });
      for await (const event of events) {
        await Promise.all(opening);
        yield event;
      }
      await Promise.all(opening);
    } catch (error) {
      if (signal.aborted) return;
      if (!connected || !(error instanceof AvkError && error.retryable)) throw error;
      options.lost?.(error.message);
    }
    await clock.sleep(pause, signal).catch(() => undefined);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}
