import { messageOf } from '../../domain/errors.ts';
import { crashBackoffMs } from '../../domain/replica-plan.ts';
import { withDeadline } from '../../kernel/deadline.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import { createMessenger } from '../../kernel/messenger.ts';
import type { Metrics } from '../../kernel/metrics.ts';
import { describeExit, type ReplicaDeps } from '../../kernel/replica.ts';
import type { Service } from '../../kernel/service.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { ContainerInfo } from '../../ports/container-runtime.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { Machine, Machines } from '../../ports/machines.ts';
import type { MessageBus } from '../../ports/message-bus.ts';
import type { Random } from '../../ports/random.ts';
import type { ReverseProxy } from '../../ports/reverse-proxy.ts';
import type { RegistrySession, ServiceRegistry } from '../../ports/service-registry.ts';
import { adoptReplicas } from './adoption.ts';
import { createFleetFollower } from './fleet-follower.ts';
import { createHealthMonitor } from './health-monitor.ts';
import { replicaMetrics } from './metrics.ts';
import type { PlacementRule } from './place-replica.ts';
import { pruneRoutes } from './prune-images.ts';
import { createReconciler } from './reconciler.ts';
import { createReplicaWorker, STABLE_MS } from './replica-worker.ts';
import { routes } from './routes.ts';
import { documentRoutes } from './routes-documents.ts';
import { createRoutesKeeper, upstreamsOf } from './routes-keeper.ts';
import { metricRoutes } from './routes-metrics.ts';
import { retiredRoutes } from './routes-retired.ts';
import { rolloutRoutes } from './routes-rollout.ts';
import { type AppRow, type LoadBalancerTables, type ReplicaRow, specOf } from './store.ts';
import { createUsageHistory } from './usage-history.ts';

/*
 * The load balancer owns, from the registration of an app to its deregistration: its public port and route, its
 * replicas (how many, where, healing them), its entry in the service registry. `/registerApp` and `/deregisterApp`
 * are synchronous, as the starting document asks: when they answer, the route is live or gone. A reconciler compares
 * what the tables want with what is there; a worker carries out what it decides about single replicas.
 */

export interface LoadBalancerDeps {
  http: HttpApp;
  database: Database<LoadBalancerTables>;
  bus: MessageBus;
  client: ServiceClient;
  registry: ServiceRegistry;
  proxy: ReverseProxy;
  clock: Clock;
  random: Random;
  log: Log;
  /** Absent: nothing is counted. */
  metrics?: Metrics | undefined;
  machines: Machines;
  replica: (node: string) => ReplicaDeps;
  /** Where users reach the proxy, and the first port it gives. */
  publicAddress: string;
  firstPort: number;
  buildDeadlineMs: number;
  /** Where further replicas go. */
  placement: PlacementRule;
}

/** How long the platform's start waits for its routes. */
const ROUTES_AT_START_MS = 5000;
/** A route that was set aside is tried again this often; its port may be free again. */
const REJECTED_RETRY_MS = 5000;

export function createLoadBalancer(deps: LoadBalancerDeps): Service {
  const { database, clock, log, proxy } = deps;
  const messenger = createMessenger<LoadBalancerTables>({
    service: 'load-balancer',
    listens: [],
    from: 'LoadBalancer',
    database,
    bus: deps.bus,
    clock,
    log,
    metrics: deps.metrics,
  });
  const fleet = createFleetFollower(deps.client, clock, log);
  const usage = createUsageHistory({ database, fleet, clock, log });
  const routesKeeper = createRoutesKeeper(database, proxy, clock, log, (app) => reconciler.kick(app));
  const monitor = createHealthMonitor(clock, (id, healthy, reason) => {
    healthChanged(id, healthy, reason).catch((error) =>
      log.error({ replica: id, reason: messageOf(error) }, 'a change of health was not recorded'),
    );
  });
  const worker = createReplicaWorker({ ...deps, fleet, routes: routesKeeper, onChange: (app) => reconciler.kick(app) });
  const reconciler = createReconciler({
    ...deps,
    messenger,
    routes: routesKeeper,
    worker,
    fleet,
    onSettled: settled,
  });
  if (deps.metrics) replicaMetrics(deps.metrics, database, log);
  let session: RegistrySession | null = null;
  const unlisten: (() => void)[] = [];
  /** What the proxy and the registry were last told of each app. */
  const published = new Map<string, string>();
  const retries = new Map<string, Timer>();

  routes(deps.http, { ...deps, routes: routesKeeper, reconciler, fleet });
  documentRoutes(deps.http, { ...deps, fleet });
  metricRoutes(deps.http, { usage, clock });
  pruneRoutes(deps.http, deps);
  retiredRoutes(deps.http, deps);
  rolloutRoutes(deps.http, { ...deps, messenger, reconciler });

  /** Brings proxy, registry and health checks in line with the replicas of one app. */
  async function settled(app: AppRow | null, name: string, replicas: readonly ReplicaRow[]): Promise<void> {
    try {
      await publish(app, name, replicas);
    } finally {
      // Also while the proxy cannot be told.
      await watchHealth();
    }
  }

  async function publish(app: AppRow | null, name: string, replicas: readonly ReplicaRow[]): Promise<void> {
    const direct = app ? upstreamsOf(replicas) : [];
    const text = app ? JSON.stringify([app.public_port, direct, specOf(app)?.manifest.maxBodyMb ?? 0]) : '';
    if (published.get(name) === text && routesKeeper.problem(name) === null) return;
    const { rejected } = await routesKeeper.refresh();
    if (rejected.some((route) => route.name === name)) {
      lookAgain(name);
    } else if (app?.kind === 'service') {
      // Its entry in the registry is its own.
      published.set(name, text);
    } else if (app) {
      const address = { ip: deps.publicAddress, port: app.public_port };
      await session?.register({ name, kind: 'app', address, direct });
      published.set(name, text);
    } else {
      await session?.unregister(name);
      published.delete(name);
    }
  }

  /** One timer per app, however often its route is refused. */
  function lookAgain(name: string): void {
    if (retries.has(name)) return;
    const again = (): void => {
      retries.delete(name);
      reconciler.kick(name);
    };
    retries.set(name, clock.after(REJECTED_RETRY_MS, again, { background: true }));
  }

  async function watchHealth(): Promise<void> {
    const rows = await database.read
      .selectFrom('replicas')
      .innerJoin('apps', 'apps.name', 'replicas.app')
      .leftJoin('rollouts', (join) =>
        join.onRef('rollouts.app', '=', 'replicas.app').onRef('rollouts.generation', '=', 'replicas.generation'),
      )
      .selectAll('replicas')
      .select(['apps.spec', 'rollouts.spec as rolling'])
      .where('replicas.state', 'in', ['healthy', 'unhealthy'])
      .where('apps.spec', 'is not', null)
      .execute();
    monitor.watch(
      rows.flatMap((row) => {
        const { ip, port } = row;
        if (!ip || !port) return [];
        const check = specOf({ spec: row.rolling ?? row.spec })?.manifest.health ?? null;
        // A machine that was let go of has no replicas to be asked for.
        if (!deps.machines.has(row.node)) return [];
        const { runtime } = deps.machines.get(row.node);
        return [{ id: row.id, check, probe: (ms: number) => runtime.checkHealth({ ip, port }, check, ms) }];
      }),
    );
  }

  async function healthChanged(id: string, healthy: boolean, reason: string): Promise<void> {
    const row = await database.transaction(async (tx) =>
      tx
        .updateTable('replicas')
        .set({ state: healthy ? 'healthy' : 'unhealthy', reason: healthy ? null : reason, since: clock.now() })
        .where('id', '=', id)
        .where('state', '=', healthy ? 'unhealthy' : 'healthy')
        .returning('app')
        .executeTakeFirst(),
    );
    if (!row) return;
    log.warn({ app: row.app, replica: id, healthy, reason }, 'the health of a replica changed');
    reconciler.kick(row.app);
  }

  /** A replica ended by itself: at once again the first time, with back-off when it keeps happening. */
  async function exited(info: ContainerInfo): Promise<void> {
    const now = clock.now();
    const row = await database.transaction(async (tx) => {
      const found = await tx
        .selectFrom('replicas')
        .selectAll()
        .where('id', '=', info.id)
        .where('state', 'in', ['healthy', 'unhealthy'])
        .executeTakeFirst();
      if (!found) return null;
      const failures = (now - found.since > STABLE_MS ? 0 : found.failures) + 1;
      await tx
        .updateTable('replicas')
        .set({
          state: 'crash-looping',
          failures,
          retry_at: failures === 1 ? now : now + crashBackoffMs(failures - 1),
          since: now,
          reason: `the app ${describeExit(info)}`,
        })
        .where('id', '=', info.id)
        .execute();
      return found;
    });
    if (!row) return;
    log.warn({ app: row.app, replica: info.id, reason: describeExit(info) }, 'a replica ended');
    reconciler.kick(row.app);
  }

  /** A proxy that cannot be told now is told later: what it was told last goes on meanwhile. */
  async function routesAtStart(): Promise<void> {
    try {
      await withDeadline(clock, ROUTES_AT_START_MS, 'telling the proxy its routes', () => routesKeeper.refresh());
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'the platform starts with the routes that the proxy has');
    }
  }

  function listen({ runtime }: Machine): void {
    unlisten.push(
      runtime.onExit((info) => {
        exited(info).catch((error) =>
          log.error({ replica: info.id, reason: messageOf(error) }, 'an exit was not recorded'),
        );
      }),
    );
  }

  return {
    name: 'load-balancer',
    http: deps.http,
    async start() {
      session = await deps.registry.session('load-balancer');
      // Listening first: one that ends while it is looked for is not missed.
      for (const machine of deps.machines.list()) listen(machine);
      unlisten.push(deps.machines.onChange((change) => 'added' in change && listen(change.added)));
      // Its deadlines count what it had to itself, not the time it was away.
      await database.transaction(async (tx) => {
        await tx.updateTable('rollouts').set({ reached_at: clock.now() }).execute();
      });
      await adoptReplicas(deps);
      await routesAtStart();
      fleet.start();
      usage.start();
      await messenger.start();
      await reconciler.start();
    },
    async stop() {
      for (const stop of unlisten) stop();
      for (const timer of retries.values()) timer.cancel();
      monitor.stop();
      routesKeeper.stop();
      usage.stop();
      await reconciler.stop();
      await worker.stop();
      await fleet.stop();
      await messenger.stop();
      await session?.close();
    },
  };
}
