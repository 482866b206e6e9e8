import { messageOf } from '../../domain/errors.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { ApplyResult, ReverseProxy, Route, Upstream } from '../../ports/reverse-proxy.ts';
import { type Db, type LoadBalancerTables, specOf } from './store.ts';

/** Keeps the proxy at what the database says. */
export interface RoutesKeeper {
  /**
   * Resolves when everything committed before the call is live; many calls at once share one change. What could not be
   * made live is tried again until it is, or until the next call.
   */
  refresh(): Promise<ApplyResult>;
  /** Why the app's route is not live, as last seen; null when it is, or nothing is known of it. */
  problem(app: string): string | null;
  /** No more tries. */
  stop(): void;
}

const RETRY_MS = 2000;
const MIB = 1024 * 1024;

export function createRoutesKeeper(
  database: Database<LoadBalancerTables>,
  proxy: ReverseProxy,
  clock: Clock,
  log: Log,
  /** Told of each app whose `problem` has changed. */
  onProblem: (app: string) => void,
): RoutesKeeper {
  let running: Promise<ApplyResult> | null = null;
  let next: Promise<ApplyResult> | null = null;
  let retry: Timer | null = null;
  let stopped = false;
  let problems: ReadonlyMap<string, string> = new Map();
  /** Why the proxy could not be told the last time; said once, as it is tried again every few seconds. */
  let trouble = '';

  async function apply(): Promise<ApplyResult> {
    const result = await proxy.apply(await readRoutes(database.read));
    trouble = '';
    const before = problems;
    problems = new Map(result.rejected.map(({ name, reason }) => [name, reason]));
    for (const [app, reason] of problems) {
      if (before.get(app) !== reason) log.error({ app, reason }, 'the route was set aside');
    }
    for (const app of new Set([...before.keys(), ...problems.keys()])) {
      if (before.get(app) !== problems.get(app)) onProblem(app);
    }
    return result;
  }

  function sayTrouble(reason: string): void {
    if (reason !== trouble) log.error({ reason }, 'the routes could not be applied; it is tried again');
    trouble = reason;
  }

  function begin(): Promise<ApplyResult> {
    retry?.cancel();
    const run = apply()
      .catch((error) => {
        sayTrouble(messageOf(error));
        if (!stopped) retry = clock.after(RETRY_MS, () => refresh().catch(() => undefined), { background: true });
        throw error;
      })
      .finally(() => {
        running = null;
      });
    running = run;
    return run;
  }

  function refresh(): Promise<ApplyResult> {
    if (!running) return begin();
    // The one under way may have read the database before the caller's change.
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = null;
        return begin();
      });
    return next;
  }

  return {
    refresh,
    problem: (app) => problems.get(app) ?? null,
    stop() {
      stopped = true;
      retry?.cancel();
    },
  };
}

async function readRoutes(db: Db): Promise<Route[]> {
  const apps = await db
    .selectFrom('apps')
    .selectAll()
    .where('state', '=', 'live')
    .where('routed', '=', 1)
    .orderBy('name')
    .execute();
  const replicas = await db.selectFrom('replicas').selectAll().orderBy('number').execute();
  return apps.map((app) => {
    const own = replicas.filter((replica) => replica.app === app.name);
    const spec = specOf(app);
    return {
      name: app.name,
      publicPort: app.public_port,
      // Specifications on record from before there was a limit have none.
      maxBodyBytes: Math.round((spec?.manifest.maxBodyMb ?? 0) * MIB),
      upstreams: upstreamsOf(own),
      note: noteOf(own, spec?.manifest.name ?? app.name),
    };
  });
}

/**
 * The healthy ones. Without any, those on machines that are lost to the platform: they may well serve on, as when it is
 * only sshd that is down, and a replica that does not answer is no worse than none.
 */
export function upstreamsOf(
  replicas: readonly { state: string; ip: string | null; port: number | null }[],
): Upstream[] {
  const those = (wanted: string): Upstream[] =>
    replicas.flatMap(({ state, ip, port }) => (state === wanted && ip && port ? [{ ip, port }] : []));
  const healthy = those('healthy');
  return healthy.length > 0 ? healthy : those('lost');
}

/** What visitors read while no replica is healthy. */
function noteOf(replicas: readonly { state: string; reason: string | null }[], app: string): string {
  const states = [...new Set(replicas.map((replica) => replica.state))].join(', ');
  const reason = replicas.find((replica) => replica.reason)?.reason;
  return `${app} has no healthy replica (${states || 'none started'})${reason ? `: ${reason}` : ''}`;
}
