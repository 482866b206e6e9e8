import { AvkError, asAvkError, type ErrorCode, MACHINE_ERRORS, messageOf } from '../../domain/errors.ts';
import { type Doing, reasonAt } from '../../domain/failure-reason.ts';
import type { InstanceSpec } from '../../domain/instance.ts';
import { crashBackoffMs } from '../../domain/replica-plan.ts';
import { MOST_FAILED_STARTS } from '../../domain/rollout-plan.ts';
import { withDeadline } from '../../kernel/deadline.ts';
import { ensureImage, type ReplicaDeps, startDeadlineMs, startReplica, waitHealthy } from '../../kernel/replica.ts';
import { Turns } from '../../kernel/turns.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { Machines } from '../../ports/machines.ts';
import type { ReverseProxy } from '../../ports/reverse-proxy.ts';
import type { FleetFollower } from './fleet-follower.ts';
import { freeHostPort } from './host-ports.ts';
import type { RoutesKeeper } from './routes-keeper.ts';
import { type LoadBalancerTables, type ReplicaRow, readApp } from './store.ts';

/** Carries out what the plan says about single replicas. It decides nothing. */
export interface ReplicaWorker {
  /** Starts or adopts the replica and waits for its health; the outcome is in its row. At most one job per replica at a time. */
  start(replica: ReplicaRow, spec: InstanceSpec): void;
  /** Lets its requests finish, stops and removes it, and its row with it. A start under way is given up first. */
  retire(replica: ReplicaRow, stopSeconds: number): void;
  /** Ends the jobs; what they did not finish is done at the next start. */
  stop(): Promise<void>;
}

export interface ReplicaWorkerDeps {
  database: Database<LoadBalancerTables>;
  proxy: ReverseProxy;
  routes: RoutesKeeper;
  clock: Clock;
  log: Log;
  replica: (node: string) => ReplicaDeps;
  machines: Machines;
  fleet: FleetFollower;
  buildDeadlineMs: number;
  /** Told after each outcome, with the app's name. */
  onChange: (app: string) => void;
}

const STARTS_AT_ONCE = 8;
/** A replica that ran for this long before it failed begins its back-off anew. */
export const STABLE_MS = 60_000;
/** How long requests under way may take to finish before a replica is stopped. */
const DRAIN_MS = 10_000;
const RETIRE_RETRY_MS = 1000;
/** How long a replica that is to go waits at a time for a proxy that does not answer. */
const ROUTES_MS = 10_000;
const REASON_LENGTH = 500;
const HOPELESS: readonly ErrorCode[] = ['AVK_BUILD_FAILED', 'AVK_BAD_ZIP', 'AVK_RUNTIME_UNSUPPORTED'];

export function createReplicaWorker(deps: ReplicaWorkerDeps): ReplicaWorker {
  const { database, clock, log } = deps;
  const jobs = new Map<string, { kind: 'start' | 'retire'; abort: AbortController; done: Promise<void> }>();
  const turns = new Map<string, Turns>();
  /** Tries in a row that did not reach a machine that counts as well, by replica id. */
  const unreached = new Map<string, number>();
  let stopping = false;

  function run(kind: 'start' | 'retire', replica: ReplicaRow, job: (signal: AbortSignal) => Promise<void>): void {
    const current = jobs.get(replica.id);
    if (current) {
      // A replica that is to go need not come up first. The look that follows the end of the job retires it.
      if (kind === 'retire' && current.kind === 'start')
        current.abort.abort(new AvkError('AVK_CANCELLED', 'it is retired'));
      return;
    }
    if (stopping) return;
    const abort = new AbortController();
    const done = job(abort.signal)
      .catch((error) => {
        if (!abort.signal.aborted) log.error({ replica: replica.id, reason: messageOf(error) }, 'a replica job failed');
      })
      .finally(() => {
        jobs.delete(replica.id);
        deps.onChange(replica.app);
      });
    jobs.set(replica.id, { kind, abort, done });
  }

  async function bringUp(row: ReplicaRow, spec: InstanceSpec, cancelled: AbortSignal): Promise<void> {
    const replica = deps.replica(row.node);
    const place = { id: row.id, number: row.number, node: row.node, hostPort: row.host_port };
    const what = `starting ${spec.instance} on ${row.node}`;
    let doing: Doing = 'building';
    try {
      const info = await turnsOf(row.node).take(cancelled, async () => {
        await withDeadline(
          clock,
          deps.buildDeadlineMs,
          `building ${spec.image} on ${row.node}`,
          (signal) => ensureImage(replica, spec, { signal, log: (line) => log.debug({ image: spec.image }, line) }),
          cancelled,
        );
        doing = 'starting';
        if (row.restarts > 0 && row.container_id === null) {
          await replica.runtime.stop(row.id, spec.manifest.stopSeconds);
        }
        const limit = startDeadlineMs(spec) + DRAIN_MS;
        return withDeadline(
          clock,
          limit,
          what,
          async (signal) => {
            const started = await startReplica(replica, spec, place, signal);
            await waitHealthy(replica, spec, started, signal);
            return started;
          },
          cancelled,
        );
      });
      unreached.delete(row.id);
      await change(row.id, {
        state: 'healthy',
        container_id: info.containerId,
        ip: info.address.ip,
        port: info.address.port,
        since: clock.now(),
        reason: null,
      });
    } catch (error) {
      if (cancelled.aborted) throw error;
      await failed(row, doing, asAvkError(error));
    }
  }

  /** Only while it is still wanted: a replica that is being drained meanwhile stays so. */
  async function change(id: string, values: Partial<ReplicaRow>): Promise<void> {
    await database.transaction(async (tx) => {
      await tx.updateTable('replicas').set(values).where('id', '=', id).where('state', '!=', 'draining').execute();
    });
  }

  async function failed(row: ReplicaRow, doing: Doing, error: AvkError): Promise<void> {
    // npm ends by saying where its own log is, which nobody can read.
    const tail = error.lastLogLines.findLast((line) => line.trim() !== '' && !/complete log of this run/.test(line));
    const message = reasonAt(doing, row.node, error.message).replace(/\.$/, '');
    const reason = `${message}${tail ? `; last log line: ${tail}` : ''}`.slice(0, REASON_LENGTH);
    // What could not be built now can be built no better later.
    const failures = row.failures + (HOPELESS.includes(error.code) ? MOST_FAILED_STARTS : 1);
    log.warn({ app: row.app, replica: row.id, node: row.node, failures, reason }, 'a replica did not start');
    if (MACHINE_ERRORS.includes(error.code)) {
      await unreachable(row, reason);
      return;
    }
    unreached.delete(row.id);
    // What is left of it would hold the port until the next try.
    await deps.replica(row.node).runtime.stop(row.id, 0);
    const port = error.code === 'AVK_PORT_TAKEN' ? await nextPort(row) : null;
    if (port !== null) {
      // Another program has its port: no fault of the app's, so it goes on at once with the next one.
      await change(row.id, { state: 'crash-looping', host_port: port, retry_at: 0, since: clock.now(), reason });
      return;
    }
    await change(row.id, {
      state: 'crash-looping',
      failures,
      retry_at: clock.now() + crashBackoffMs(failures),
      since: clock.now(),
      reason,
      last_lines: JSON.stringify(error.lastLogLines),
    });
  }

  /** No fault of the app's: it counts as lost with its machine, and goes on when that is back. */
  async function unreachable(row: ReplicaRow, reason: string): Promise<void> {
    const now = clock.now();
    if (isGone(row.node)) {
      await change(row.id, { state: 'lost', since: now, reason });
      return;
    }
    // The machine counts as well: lost, it would be taken for one that is back, and started at once, over and over.
    const tries = (unreached.get(row.id) ?? 0) + 1;
    unreached.set(row.id, tries);
    await change(row.id, { state: 'crash-looping', retry_at: now + crashBackoffMs(tries), since: now, reason });
  }

  function nextPort(row: ReplicaRow): Promise<number | null> {
    return database.transaction((tx) => freeHostPort(tx, row.node, deps.machines.get(row.node).ports, row.host_port));
  }

  async function takeDown(row: ReplicaRow, stopSeconds: number, cancelled: AbortSignal): Promise<void> {
    // Of an app that is to be gone they end although the proxy cannot be told: nobody is to be served by them.
    const led = await leadElsewhere(cancelled, async () => (await readApp(database.read, row.app))?.state === 'live');
    if (led && row.ip && row.port && !isGone(row.node)) {
      await deps.proxy.drained({ ip: row.ip, port: row.port }, DRAIN_MS);
    }
    // One on a machine that is gone is removed when that turns up again, as it is on record as retired.
    while (!isGone(row.node)) {
      cancelled.throwIfAborted();
      try {
        const { runtime } = deps.machines.get(row.node);
        await runtime.stop(row.id, stopSeconds);
        await runtime.remove(row.id);
        break;
      } catch (error) {
        log.warn({ replica: row.id, node: row.node, reason: messageOf(error) }, 'a replica could not be removed yet');
        await clock.sleep(RETIRE_RETRY_MS, cancelled);
      }
    }
    // As long as the proxy may lead there, its port is to be nobody else's.
    if (!led) await leadElsewhere(cancelled, async () => true);
    unreached.delete(row.id);
    await database.transaction(async (tx) => {
      await tx.deleteFrom('replicas').where('id', '=', row.id).execute();
    });
  }

  /** Waits until the proxy leads to no replica any more that is to go, as long as `insist` says. False: it may yet. */
  async function leadElsewhere(cancelled: AbortSignal, insist: () => Promise<boolean>): Promise<boolean> {
    for (;;) {
      try {
        await withDeadline(clock, ROUTES_MS, 'telling the proxy', () => deps.routes.refresh(), cancelled);
        return true;
      } catch (error) {
        cancelled.throwIfAborted();
        if (!(await insist())) return false;
        log.debug({ reason: messageOf(error) }, 'a replica waits for the proxy to lead elsewhere');
        await clock.sleep(RETIRE_RETRY_MS, cancelled);
      }
    }
  }

  /** Lost to sight, or none of the platform's any more. */
  function isGone(node: string): boolean {
    return !deps.machines.has(node) || deps.fleet.nodes().find(({ name }) => name === node)?.state === 'lost';
  }

  function turnsOf(node: string): Turns {
    let own = turns.get(node);
    if (!own) {
      own = new Turns(STARTS_AT_ONCE);
      turns.set(node, own);
    }
    return own;
  }

  return {
    start: (row, spec) => run('start', row, (signal) => bringUp(row, spec, signal)),
    retire: (row, stopSeconds) => run('retire', row, (signal) => takeDown(row, stopSeconds, signal)),
    async stop() {
      stopping = true;
      for (const job of jobs.values())
        job.abort.abort(new AvkError('AVK_SERVICE_UNAVAILABLE', 'the load balancer is stopping'));
      await Promise.all([...jobs.values()].map((job) => job.done));
    },
  };
}
