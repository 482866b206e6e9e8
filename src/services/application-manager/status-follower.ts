import { messageOf } from '../../domain/errors.ts';
import type { Events } from '../../kernel/events.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { PlatformNews } from './platform-gate.ts';
import type { PlatformStatus } from './platform-status.ts';

/** Tells of changes of the platform's status, to all who listen; does nothing while nobody does. */
export interface StatusFollower {
  /** Returns the way to stop. */
  follow(listener: (status: PlatformStatus) => void): () => void;
}

/** Changes of health come with the fault monitor's checks; changes of state are told at once. */
const LOOK_EVERY_MS = 2000;

export function createStatusFollower(deps: {
  status: () => Promise<PlatformStatus>;
  changed: Events<PlatformNews>;
  clock: Clock;
  log: Log;
}): StatusFollower {
  const { clock, log } = deps;
  const listeners = new Set<(status: PlatformStatus) => void>();
  let shown = '';
  let timer: Timer | null = null;
  let stopListening: (() => void) | null = null;

  async function look(): Promise<void> {
    const status = await deps.status();
    // Seen again a moment later is no change.
    const text = JSON.stringify({ ...status, services: status.services.map((row) => ({ ...row, lastSeen: null })) });
    if (text === shown) return;
    shown = text;
    for (const listener of listeners) listener(status);
  }

  function lookSoon(ms: number): void {
    timer?.cancel();
    timer = clock.after(
      ms,
      () => {
        look()
          .catch((error) => log.debug({ reason: messageOf(error) }, 'the status could not be looked at'))
          .finally(() => {
            if (listeners.size > 0) lookSoon(LOOK_EVERY_MS);
          });
      },
      { background: true },
    );
  }

  return {
    follow(listener) {
      listeners.add(listener);
      if (listeners.size === 1) {
        stopListening = deps.changed.subscribe(() => lookSoon(0));
        lookSoon(0);
      }
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        stopListening?.();
        timer?.cancel();
        shown = '';
      };
    },
  };
}
