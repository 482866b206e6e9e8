import { messageOf } from '../../domain/errors.ts';
import { SERVICES, type ServiceName } from '../../kernel/service.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { ServiceRegistry } from '../../ports/service-registry.ts';
import type { FaultMonitorTables, HealthRow } from './store.ts';

export interface MonitorDeps {
  database: Database<FaultMonitorTables>;
  registry: ServiceRegistry;
  client: ServiceClient;
  clock: Clock;
  log: Log;
}

/** Asks every registered service for its health, again and again, and keeps what they said. */
export interface Monitor {
  /** One round over all of them now. */
  round(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const CHECK_EVERY_MS = 5000;
/** After a change in the registry; several at once are one round. */
const SOON_MS = 300;
const CHECK_DEADLINE_MS = 2000;
const KEEP_MS = 24 * 3600 * 1000;
/** Old checks are removed at every so-manieth round. */
const PRUNE_EVERY_ROUNDS = 120;

interface Check {
  service: ServiceName;
  at: number;
  healthy: boolean;
  latencyMs: number;
  reason: string | null;
}

export function createMonitor(deps: MonitorDeps): Monitor {
  const { database, clock, log } = deps;
  const stopping = new AbortController();
  let timer: Timer | null = null;
  let leave: () => void = () => undefined;
  let rounds = 0;
  let running: Promise<void> = Promise.resolve();

  async function ask(service: ServiceName): Promise<Check> {
    const begun = clock.monotonic();
    const outcome = await deps.client
      .call(service, 'GET', '/health', { deadlineMs: CHECK_DEADLINE_MS, signal: stopping.signal })
      .then(
        (answer) => (answer === 'Ok' ? null : `answered ${JSON.stringify(answer).slice(0, 100)} instead of Ok`),
        (error: unknown) => messageOf(error),
      );
    const latencyMs = Math.round((clock.monotonic() - begun) * 10) / 10;
    return { service, at: clock.now(), healthy: outcome === null, latencyMs, reason: outcome };
  }

  async function round(): Promise<void> {
    const registered = new Set((await deps.registry.list('service')).map(({ name }) => name));
    const services = SERVICES.filter((service) => registered.has(service));
    const checks = await Promise.all(services.map(ask));
    if (stopping.signal.aborted) return;
    rounds += 1;
    await database.transaction(async (tx) => {
      const known = new Map((await tx.selectFrom('health').selectAll().execute()).map((row) => [row.service, row]));
      for (const check of checks) {
        await tx
          .insertInto('checks')
          .values({
            service: check.service,
            at: check.at,
            healthy: check.healthy ? 1 : 0,
            latency_ms: check.latencyMs,
            reason: check.reason,
          })
          .onConflict((conflict) => conflict.doNothing())
          .execute();
        const { service: _name, ...values } = after(check, known.get(check.service));
        await tx
          .insertInto('health')
          .values({ service: check.service, ...values })
          .onConflict((conflict) => conflict.column('service').doUpdateSet(values))
          .execute();
      }
      if (rounds % PRUNE_EVERY_ROUNDS === 1) {
        await tx
          .deleteFrom('checks')
          .where('at', '<', clock.now() - KEEP_MS)
          .execute();
      }
    });
    for (const check of checks) {
      if (!check.healthy) log.warn({ service: check.service, reason: check.reason }, 'a service is not well');
    }
  }

  function schedule(ms: number): void {
    timer?.cancel();
    timer = clock.after(
      ms,
      () => {
        running = round()
          .catch((error) => log.error({ reason: messageOf(error) }, 'the services could not be checked'))
          .finally(() => {
            if (!stopping.signal.aborted) schedule(CHECK_EVERY_MS);
          });
      },
      { background: true },
    );
  }

  return {
    round,
    async start() {
      // What was just started, or is gone, is known soon.
      leave = await deps.registry.watch(() => {
        if (!stopping.signal.aborted) schedule(SOON_MS);
      });
    },
    async stop() {
      stopping.abort();
      leave();
      timer?.cancel();
      await running;
    },
  };
}

function after(check: Check, before: HealthRow | undefined): HealthRow {
  const healthy = check.healthy ? 1 : 0;
  return {
    service: check.service,
    healthy,
    changed_at: before?.healthy === healthy ? before.changed_at : check.at,
    checked_at: check.at,
    seen_at: check.healthy ? check.at : (before?.seen_at ?? null),
    latency_ms: check.latencyMs,
    reason: check.reason,
  };
}
