import { messageOf } from '../../domain/errors.ts';
import { RECORD_EVERY_MS, type Span } from '../../domain/history.ts';
import { replicaName } from '../../domain/names.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { FleetFollower, FleetView } from './fleet-follower.ts';
import type { LoadBalancerTables } from './store.ts';
import { deleteOldUsage, insertUsage, readUsage, type UsageSample, type UsageSeries } from './usage-store.ts';

/** Records what the replicas use: the mean of 10 s each, for a day. */
export interface UsageHistory {
  /** @param since when the instance began its life; before that its name may have been another user's */
  read(app: string, span: Span, since: number): Promise<UsageSeries[]>;
  start(): void;
  stop(): void;
}

export interface UsageHistoryOptions {
  database: Database<LoadBalancerTables>;
  fleet: Pick<FleetFollower, 'onView'>;
  clock: Clock;
  log: Log;
}

/** At every so-manieth record the old ones are deleted. */
const PRUNE_EVERY_RECORDS = 60;

export function createUsageHistory({ database, fleet, clock, log }: UsageHistoryOptions): UsageHistory {
  /** Since the last record, by the replica's id. */
  let sums = new Map<string, { cpu: number; memory: number; count: number }>();
  /** A replica that goes within the 10 s has no row any more when they are recorded. */
  let names = new Map<string, { app: string; replica: string }>();
  let timer: Timer | null = null;
  let unfollow: (() => void) | null = null;
  let stopped = false;

  function take(view: FleetView): void {
    // Of a machine that is lost the view repeats what was seen last.
    const lost = new Set(view.nodes.filter(({ state }) => state === 'lost').map(({ name }) => name));
    for (const { id, node, cpuPercent, memoryPercent } of view.replicas) {
      if (lost.has(node)) continue;
      const sum = sums.get(id) ?? { cpu: 0, memory: 0, count: 0 };
      sum.cpu += cpuPercent;
      sum.memory += memoryPercent;
      sum.count += 1;
      sums.set(id, sum);
    }
  }

  async function record(prune: boolean): Promise<void> {
    const taken = sums;
    sums = new Map();
    const now = clock.now();
    const at = borderNear(now) - RECORD_EVERY_MS;
    const rows = await database.read.selectFrom('replicas').select(['id', 'app', 'number']).execute();
    const known = new Map(rows.map((row) => [row.id, { app: row.app, replica: replicaName(row.app, row.number) }]));
    const samples = [...taken].flatMap(([id, { cpu, memory, count }]): UsageSample[] => {
      const name = known.get(id) ?? names.get(id);
      return name ? [{ ...name, cpu: cpu / count, memory: memory / count }] : [];
    });
    names = known;
    if (samples.length === 0 && !prune) return;
    await database.transaction(async (tx) => {
      await insertUsage(tx, at, samples);
      if (prune) await deleteOldUsage(tx, now);
    });
  }

  /** At the steps' own borders, so that a record is of one step. */
  function schedule(turn: number): void {
    if (stopped) return;
    timer = clock.after(
      borderNear(clock.now()) + RECORD_EVERY_MS - clock.now(),
      () => {
        record(turn % PRUNE_EVERY_RECORDS === 0)
          .catch((error) => log.warn({ reason: messageOf(error) }, 'what the replicas use was not recorded'))
          .finally(() => schedule(turn + 1));
      },
      { background: true },
    );
  }

  return {
    read: (app, span, since) => readUsage(database.read, app, span, since),
    start() {
      unfollow = fleet.onView(take);
      schedule(1);
    },
    stop() {
      stopped = true;
      timer?.cancel();
      unfollow?.();
    },
  };
}

/** The nearest border between two steps: a timer may fire a moment too early. */
function borderNear(at: number): number {
  const shifted = at + RECORD_EVERY_MS / 2;
  return shifted - (shifted % RECORD_EVERY_MS);
}
