import type { HealthCheck } from '../../domain/manifest.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { HealthResult } from '../../ports/container-runtime.ts';

export interface Watched {
  id: string;
  check: HealthCheck | null;
  probe: (timeoutMs: number) => Promise<HealthResult>;
}

/** Asks every running replica how it is, as often as its manifest says. */
export interface HealthMonitor {
  /** Watches exactly these from now on; those watched already keep their count. */
  watch(replicas: readonly Watched[]): void;
  stop(): void;
}

const DEFAULTS = { intervalSeconds: 2, timeoutSeconds: 2, failures: 3 };

/** @param onChange told when `failures` bad answers in a row came, and at the first good one after that */
export function createHealthMonitor(
  clock: Clock,
  onChange: (id: string, healthy: boolean, reason: string) => void,
): HealthMonitor {
  const watched = new Map<string, { timer: Timer; failures: number; told: boolean }>();

  function schedule(replica: Watched): Timer {
    const { intervalSeconds } = replica.check ?? DEFAULTS;
    return clock.after(intervalSeconds * 1000, () => void ask(replica), { background: true });
  }

  async function ask(replica: Watched): Promise<void> {
    const { timeoutSeconds, failures: limit } = replica.check ?? DEFAULTS;
    const entry = watched.get(replica.id);
    const result = await replica.probe(timeoutSeconds * 1000);
    // Not watched any more, or anew since, with questions of its own.
    if (!entry || watched.get(replica.id) !== entry) return;
    if (result.unknown) {
      // It could not be asked: that is its machine's matter, and no news of the app.
    } else if (result.healthy) {
      if (entry.told) onChange(replica.id, true, '');
      entry.failures = 0;
      entry.told = false;
    } else {
      entry.failures += 1;
      if (entry.failures >= limit && !entry.told) {
        entry.told = true;
        onChange(replica.id, false, result.reason);
      }
    }
    entry.timer = schedule(replica);
  }

  return {
    watch(replicas) {
      const wanted = new Set(replicas.map((replica) => replica.id));
      for (const [id, entry] of watched) {
        if (wanted.has(id)) continue;
        entry.timer.cancel();
        watched.delete(id);
      }
      for (const replica of replicas) {
        if (watched.has(replica.id)) continue;
        watched.set(replica.id, { timer: schedule(replica), failures: 0, told: false });
      }
    },
    stop() {
      for (const entry of watched.values()) entry.timer.cancel();
      watched.clear();
    },
  };
}
