import { messageOf } from '../../domain/errors.ts';
import type { InstanceSpec } from '../../domain/instance.ts';
import { instanceHealth, planReplicas, type ReplicaAction } from '../../domain/replica-plan.ts';
import { withDeadline } from '../../kernel/deadline.ts';
import type { Messenger, Unit } from '../../kernel/messenger.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { Machines } from '../../ports/machines.ts';
import type { Random } from '../../ports/random.ts';
import { createDrainReporter } from './drain-reporter.ts';
import type { FleetFollower } from './fleet-follower.ts';
import { retire, settleLosses } from './losses.ts';
import { type PlacementRule, placeReplica } from './place-replica.ts';
import type { ReplicaWorker } from './replica-worker.ts';
import { isLeft, settleRollout, specFor, standings } from './rollout.ts';
import type { RoutesKeeper } from './routes-keeper.ts';
import {
  type AppRow,
  type LoadBalancerTables,
  type ReplicaRow,
  readApp,
  readReplicas,
  readRollout,
  reportOf,
  specOf,
} from './store.ts';
import { createStrays } from './strays.ts';
import { appsBeside, unsteadyApps } from './unsteady.ts';

/** Brings each app to what its row says: so many replicas, healthy, routed; or gone. */
export interface Reconciler {
  /** Looks at the app soon; many calls are one look. */
  kick(app: string): void;
  /** Resolves when the app's row is gone, rejects with the signal's reason. */
  removed(app: string, signal: AbortSignal): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface ReconcilerDeps {
  database: Database<LoadBalancerTables>;
  messenger: Messenger<LoadBalancerTables>;
  routes: RoutesKeeper;
  worker: ReplicaWorker;
  fleet: FleetFollower;
  client: ServiceClient;
  clock: Clock;
  random: Random;
  log: Log;
  machines: Machines;
  placement: PlacementRule;
  buildDeadlineMs: number;
  /** Told after each look, with what is there now. */
  onSettled: (app: AppRow | null, name: string, replicas: readonly ReplicaRow[]) => Promise<void>;
}

const LOOK_EVERY_MS = 500;
/** Longer than the longest pause between two tries to reach a machine. */
const BLIND_MS = 10_000;
/** An unhealthy replica gets this long to mend itself before it is restarted. */
const UNHEALTHY_MS = 10_000;
const DEFAULT_STOP_SECONDS = 10;
/** How long a replica may be starting before its instance counts as degraded for it. */
const STARTING_GRACE_MS = 5000;
/** Strays are looked for at every so-manieth look. */
const SWEEP_EVERY_LOOKS = 60;
/** Until an app is looked at again after that failed. */
const RETRY_MS = 2000;
/** How long the end of an app waits for a proxy that does not answer. */
const ROUTES_MS = 10_000;

export function createReconciler(deps: ReconcilerDeps): Reconciler {
  const { database, messenger, worker, clock, log } = deps;
  const drainReporter = createDrainReporter(deps);
  /** Apps being looked at, and whether to look again. */
  const looking = new Map<string, { again: boolean; done: Promise<void> }>();
  const waiting = new Map<string, Set<() => void>>();
  /** Why the last look at an app failed; said once. */
  const troubles = new Map<string, string>();
  /** Why no machine could take the next replica of an app, as last seen. */
  const unplaced = new Map<string, string>();
  let timer: Timer | null = null;
  let stopped = false;
  /** Machines that were lost when last heard of. */
  let lost: ReadonlySet<string> = new Set();
  let sweepSoon = false;
  const removeStrays = createStrays(deps);
  /** Until when nothing counts as lost: machines that were all out of sight do not come back at one moment. */
  let blindUntil = 0;
  // A machine that is back may bring what was taken away while it was lost.
  const unfollow = deps.fleet.onView(({ nodes }) => {
    const missing = new Set(nodes.flatMap(({ name, state }) => (state === 'lost' ? [name] : [])));
    if (!nodes.some(({ state }) => state === 'ready')) blindUntil = clock.monotonic() + BLIND_MS;
    if ([...lost].some((name) => !missing.has(name))) sweepSoon = true;
    lost = missing;
  });

  function kick(name: string): void {
    if (stopped) return;
    const current = looking.get(name);
    if (current) {
      current.again = true;
      return;
    }
    const entry = { again: false, done: Promise.resolve() };
    looking.set(name, entry);
    entry.done = (async () => {
      do {
        entry.again = false;
        await look(name);
      } while (entry.again && !stopped);
    })()
      .then(() => void troubles.delete(name))
      .catch((error) => tryAgain(name, messageOf(error)))
      .finally(() => looking.delete(name));
  }

  /** What is steady is not looked at by itself, and may still not be what the proxy and the registry know. */
  function tryAgain(name: string, reason: string): void {
    if (troubles.get(name) !== reason)
      log.error({ app: name, reason }, 'an app could not be reconciled; it is tried again');
    troubles.set(name, reason);
    clock.after(RETRY_MS, () => kick(name), { background: true });
  }

  async function look(name: string): Promise<void> {
    const app = await readApp(database.read, name);
    if (!app) {
      release(name);
      return;
    }
    if (app.state === 'removing') await remove(app);
    else await converge(app);
  }

  async function converge(app: AppRow): Promise<void> {
    // Registered by a container alone: there is nothing to start another one from.
    if (app.spec === null) {
      await deps.onSettled(app, app.name, await readReplicas(database.read, app.name));
      return;
    }
    const requestId = deps.random.uuid();
    await messenger.transaction((unit) => decide(unit, app.name, requestId));
    const now = (await readApp(database.read, app.name)) ?? app;
    const rollout = await readRollout(database.read, app.name);
    const replicas = await readReplicas(database.read, app.name);
    for (const row of replicas) {
      const spec = specFor(now, rollout, row.generation);
      if (row.state === 'starting' && spec) worker.start(row, spec);
      if (row.state === 'draining') worker.retire(row, (spec ?? specOf(now))?.manifest.stopSeconds ?? 0);
    }
    await deps.onSettled(now, app.name, replicas);
    // Only now that the proxy leads to them: whoever hears that a new version runs is to be served by that alone.
    if (rollout) await messenger.transaction((unit) => judge(unit, app.name, replicas, requestId));
  }

  /** What has become of the rollout, going by the replicas as they were made live. */
  async function judge(
    unit: Unit<LoadBalancerTables>,
    name: string,
    replicas: readonly ReplicaRow[],
    requestId: string,
  ): Promise<void> {
    const app = await readApp(unit.tx, name);
    const rollout = await readRollout(unit.tx, name);
    if (app?.state !== 'live' || !rollout) return;
    const over = await settleRollout(unit, app, rollout, replicas, {
      now: clock.now(),
      buildDeadlineMs: deps.buildDeadlineMs,
      unplaced: unplaced.get(name) ?? null,
      requestId,
    });
    if (over) unit.after(() => kick(name));
  }

  async function decide(unit: Unit<LoadBalancerTables>, name: string, requestId: string): Promise<void> {
    const app = await readApp(unit.tx, name);
    if (app?.state !== 'live') return;
    const rollout = await readRollout(unit.tx, name);
    const spec = specFor(app, rollout, rollout?.generation ?? app.generation);
    if (!spec) return;
    if (clock.monotonic() >= blindUntil) await settleLosses(unit, app, deps.fleet.nodes(), { now: clock.now(), log });
    const rows = await readReplicas(unit.tx, name);
    const standing = standings(app, rollout, rows, deps.fleet.nodes());
    const actions = planReplicas({
      desired: app.desired,
      replicas: rows.map((row) => ({
        ...row,
        retryAt: row.retry_at,
        standing: standing.get(row.id) ?? 'current',
      })),
      now: clock.now(),
      unhealthyMs: UNHEALTHY_MS,
    });
    for (const action of actions) await record(unit, app, spec, action);
    await report(unit, app, requestId);
  }

  /** Puts a decision on record; the worker carries it out from there, also after a crash. */
  async function record(
    unit: Unit<LoadBalancerTables>,
    app: AppRow,
    spec: InstanceSpec,
    action: ReplicaAction,
  ): Promise<void> {
    const { tx } = unit;
    if (action.do === 'add') {
      const where = await placeReplica(tx, spec, deps.fleet.nodes(), deps.machines, deps.placement);
      if (where.node === null) {
        // Said once, not at every look.
        if (unplaced.get(app.name) !== where.reason) {
          log.warn({ app: app.name, reason: where.reason }, 'a replica cannot be placed');
        }
        unplaced.set(app.name, where.reason);
        return;
      }
      unplaced.delete(app.name);
      const row: ReplicaRow = {
        id: deps.random.uuid(),
        app: app.name,
        generation: spec.generation,
        number: action.number,
        ...where,
        state: 'starting',
        container_id: null,
        ip: null,
        port: null,
        failures: 0,
        restarts: 0,
        retry_at: 0,
        since: clock.now(),
        reason: null,
        last_lines: null,
      };
      await tx.insertInto('replicas').values(row).execute();
      log.info({ app: app.name, replica: row.id, number: row.number, node: row.node }, 'a replica is added');
      return;
    }
    if (action.do === 'drain') {
      await retire(unit.tx, [action.id], clock.now());
      log.info({ app: app.name, replica: action.id }, 'a replica is drained');
      return;
    }
    await tx
      .updateTable('replicas')
      // Without its container: one that hangs would be found there and taken for the new one.
      .set((set) => ({ state: 'starting', container_id: null, restarts: set('restarts', '+', 1), since: clock.now() }))
      .where('id', '=', action.id)
      .execute();
    log.info({ app: app.name, replica: action.id, reason: action.reason }, 'a replica is restarted');
  }

  /** Tells the application manager when an instance's health changed. */
  async function report(unit: Unit<LoadBalancerTables>, app: AppRow, requestId: string): Promise<void> {
    const replicas = await readReplicas(unit.tx, app.name);
    const { state, reason, healthy } = instanceHealth(app.scale_min, replicas, deps.routes.problem(app.name));
    // Replicas that have only just begun to start are not bad news yet.
    const starting = replicas.some((row) => row.state === 'starting' && clock.now() - row.since < STARTING_GRACE_MS);
    if (starting) return;
    const report = reportOf({ state, reason, healthy });
    if (app.reported === report) return;
    // While replicas are exchanged there is now one more, now one less: no news.
    if (app.reported.startsWith(`${state} `) && (await readRollout(unit.tx, app.name))) return;
    await unit.tx.updateTable('apps').set({ reported: report }).where('name', '=', app.name).execute();
    unit.send('first_topic', 'state app', { name: app.name, state, reason }, requestId, {
      generation: app.generation,
      healthy,
    });
  }

  async function remove(app: AppRow): Promise<void> {
    const spec = specOf(app);
    await messenger.transaction(async (unit) => {
      const rows = await readReplicas(unit.tx, app.name);
      const staying = rows.filter((row) => row.state !== 'draining');
      await retire(
        unit.tx,
        staying.map((row) => row.id),
        clock.now(),
      );
    });
    const replicas = await readReplicas(database.read, app.name);
    try {
      await withDeadline(clock, ROUTES_MS, 'telling the proxy', () => deps.onSettled(null, app.name, replicas));
    } catch (error) {
      // Its replicas end although the proxy cannot be told: nobody is to be served by them any more.
      if (replicas.length === 0) throw error;
    }
    if (replicas.length > 0) {
      for (const row of replicas) worker.retire(row, spec?.manifest.stopSeconds ?? DEFAULT_STOP_SECONDS);
      return;
    }
    await deps.routes.refresh();
    await removeImage(app);
    await database.transaction(async (tx) => {
      await tx.deleteFrom('rollouts').where('app', '=', app.name).execute();
      await tx.deleteFrom('apps').where('name', '=', app.name).where('state', '=', 'removing').execute();
    });
    unplaced.delete(app.name);
    log.info({ app: app.name }, 'an app is gone');
    release(app.name);
  }

  async function removeImage(app: AppRow): Promise<void> {
    if (app.keep_image === 1) return;
    const others = await database.read
      .selectFrom('apps')
      .select('name')
      .where('image', '=', app.image)
      .where('name', '!=', app.name)
      .execute();
    if (others.length > 0) return;
    for (const { runtime } of deps.machines.list()) {
      await runtime
        .removeImage(app.image)
        .catch((error) => log.warn({ image: app.image, reason: messageOf(error) }, 'an image could not be removed'));
    }
  }

  function release(name: string): void {
    for (const resolve of waiting.get(name) ?? []) resolve();
    waiting.delete(name);
  }

  async function lookAtAll(): Promise<void> {
    for (const name of await unsteadyApps(database.read)) kick(name);
    const nodes = deps.fleet.nodes();
    // As long as no machine is known, none is known to be gone.
    if (nodes.length === 0) return;
    // Also one that was let go of has none to show for itself any more.
    const staying = nodes.filter((node) => !isLeft(node) && node.state !== 'lost').map(({ name }) => name);
    for (const name of await appsBeside(database.read, staying)) kick(name);
    await drainReporter.report(nodes);
  }

  async function sweep(due: boolean): Promise<void> {
    // What became of the routes by itself: a port that another program took while the proxy was started anew.
    if (due) void deps.routes.refresh().catch(() => undefined);
    if (!due && !sweepSoon) return;
    sweepSoon = false;
    await removeStrays();
  }

  function schedule(turn: number): void {
    if (stopped) return;
    timer = clock.after(
      LOOK_EVERY_MS,
      () => {
        lookAtAll()
          .then(() => sweep(turn % SWEEP_EVERY_LOOKS === 0))
          .catch((error) => log.error({ reason: messageOf(error) }, 'the apps could not be looked at'))
          .finally(() => schedule(turn + 1));
      },
      { background: true },
    );
  }

  return {
    kick,
    async removed(name, signal) {
      if (!(await readApp(database.read, name))) return;
      await new Promise<void>((resolve, reject) => {
        const set = waiting.get(name) ?? new Set();
        waiting.set(name, set.add(resolve));
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        kick(name);
      });
    },
    async start() {
      for (const row of await database.read.selectFrom('apps').select('name').execute()) kick(row.name);
      schedule(1);
    },
    async stop() {
      stopped = true;
      unfollow();
      timer?.cancel();
      await Promise.all([...looking.values()].map((entry) => entry.done));
    },
  };
}
