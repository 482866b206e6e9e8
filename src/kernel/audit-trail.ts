import { AvkError, messageOf } from '../domain/errors.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';

/** One changing call. Never a body, never a query, never a secret. */
export interface AuditEntry {
  /** Milliseconds since the epoch. */
  at: number;
  /** A user, `USER (token NAME)`, or `service NAME`. */
  actor: string;
  /** The route's summary. */
  action: string;
  method: string;
  path: string;
  /** The instance, app, user or machine it was about. */
  target: string | null;
  status: number;
  /** The caller's address. */
  from: string;
}

/** Takes entries without keeping anybody waiting, and sends them on in batches. */
export interface AuditTrail {
  record(entry: AuditEntry): void;
  /** Sends what is waiting. */
  flush(): Promise<void>;
}

export interface AuditTrailOptions {
  /** To where they are kept. */
  send: (entries: readonly AuditEntry[]) => Promise<void>;
  clock: Clock;
  log: Log;
  /** Counts what could not be kept. */
  lost: (entries: number) => void;
}

const FLUSH_MS = 200;
/** Where they are kept does not answer: tried again after this. */
const RETRY_MS = 2000;
const MOST_WAITING = 10_000;
const BATCH = 500;

function refuses(error: unknown): boolean {
  return error instanceof AvkError && ['AVK_UNACCEPTABLE', 'AVK_BAD_REQUEST', 'AVK_TOO_LARGE'].includes(error.code);
}

export function createAuditTrail({ send, clock, log, lost }: AuditTrailOptions): AuditTrail {
  const waiting: AuditEntry[] = [];
  let timer: Timer | null = null;
  let sending: Promise<void> | null = null;
  let dropped = 0;

  function sendAfter(ms: number): void {
    if (timer) return;
    timer = clock.after(
      ms,
      () => {
        timer = null;
        void flush();
      },
      { background: true },
    );
  }

  async function sendAll(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, BATCH);
      try {
        await send(batch);
      } catch (error) {
        if (!refuses(error)) {
          log.warn({ waiting: waiting.length, reason: messageOf(error) }, 'audit entries wait: they could not be kept');
          sendAfter(RETRY_MS);
          return;
        }
        // Sending them again would keep all that come after them waiting for ever.
        log.error({ entries: batch.length, reason: messageOf(error) }, 'audit entries were refused');
        dropped += batch.length;
        lost(batch.length);
      }
      waiting.splice(0, batch.length);
    }
    if (dropped > 0) {
      log.error({ dropped }, `${dropped} audit entries were lost`);
      dropped = 0;
    }
  }

  function flush(): Promise<void> {
    sending ??= sendAll().finally(() => {
      sending = null;
    });
    return sending;
  }

  return {
    record(entry) {
      if (waiting.length >= MOST_WAITING) {
        dropped += 1;
        lost(1);
        return;
      }
      waiting.push(entry);
      sendAfter(FLUSH_MS);
    },
    flush,
  };
}
