import { get } from '../api/client.ts';

export type LiveStatus = 'connecting' | 'live' | 'reconnecting';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

export interface StreamOptions {
  url: () => string;
  /** The names of the events to listen to; `message` is what has no name. */
  events: Record<string, (data: unknown) => void>;
  onStatus: (status: LiveStatus) => void;
  /** True: the server's end is the end. */
  endIsFinal?: () => boolean;
}

/**
 * Server-sent events, connected anew with growing waits for as long as it takes. The browser's own reconnecting gives
 * up on any answer that is not 200, such as that of a platform that restarts.
 */
export function openStream(options: StreamOptions): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let closed = false;

  function connect(): void {
    const current = new EventSource(options.url(), { withCredentials: true });
    source = current;
    current.onopen = () => {
      failures = 0;
      options.onStatus('live');
    };
    current.onerror = () => {
      current.close();
      if (closed) return;
      if (options.endIsFinal?.()) return;
      options.onStatus('reconnecting');
      const wait = Math.min(FIRST_WAIT_MS * 2 ** failures, LONGEST_WAIT_MS) * (0.75 + Math.random() / 2);
      failures += 1;
      timer = setTimeout(again, wait);
    };
    for (const [name, take] of Object.entries(options.events)) {
      current.addEventListener(name, (event) => {
        try {
          take(JSON.parse((event as MessageEvent<string>).data));
        } catch (error) {
          console.warn(`a ${name} event could not be read`, error);
        }
      });
    }
  }

  /** An EventSource does not say why it failed. Asking who we are does, and ends the session when it is over. */
  async function again(): Promise<void> {
    try {
      await get('/api/users/me/');
    } catch (error) {
      console.debug('the platform still does not answer', error);
    }
    if (!closed) connect();
  }

  function online(): void {
    if (timer === undefined || closed || source?.readyState !== EventSource.CLOSED) return;
    clearTimeout(timer);
    failures = 0;
    connect();
  }

  options.onStatus('connecting');
  connect();
  window.addEventListener('online', online);
  return () => {
    closed = true;
    clearTimeout(timer);
    window.removeEventListener('online', online);
    source?.close();
  };
}
