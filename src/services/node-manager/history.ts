import { messageOf } from '../../domain/errors.ts';
import { RECORD_EVERY_MS, type Span } from '../../domain/history.ts';
import type { NodeState } from '../../domain/node.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import {
  deleteOldHistory,
  type HistoryTables,
  insertSamples,
  type Point,
  readHistory,
  type Sample,
  thinSamples,
} from './history-store.ts';

/** What is recorded of a machine. */
export interface Observed {
  name: string;
  state: NodeState;
  /** Null before the first sample. */
  lastSeen: number | null;
  cpuPercent: number;
  memoryPercent: number;
  diskPercent: number;
}

/** Records what the machines look like, and forgets it in time. */
export interface NodeHistory {
  /** Stores a sample of every machine that answers, now. */
  store(): Promise<void>;
  deleteOld(): Promise<void>;
  read(node: string, span: Span): Promise<Point[]>;
  start(): void;
  stop(): void;
}

export interface NodeHistoryOptions<Tables extends HistoryTables> {
  database: Database<Tables>;
  clock: Clock;
  log: Log;
  observe: () => readonly Observed[];
}

/** At every so-manieth sample the old ones are thinned. */
const THIN_EVERY_SAMPLES = 60;

export function createNodeHistory<Tables extends HistoryTables>(options: NodeHistoryOptions<Tables>): NodeHistory {
  const { clock, log } = options;
  // The service's tables hold these too; TypeScript cannot see that through a type parameter.
  const database = options.database as unknown as Database<HistoryTables>;
  let timer: Timer | null = null;
  let stopped = false;

  /** Nothing is known of a machine that has not answered yet, or is lost: what it looked like last would be a lie. */
  function samples(): Sample[] {
    const at = clock.now();
    return options
      .observe()
      .filter(({ state, lastSeen }) => state !== 'lost' && lastSeen !== null)
      .map(({ name, cpuPercent, memoryPercent, diskPercent }) => ({
        node: name,
        at,
        cpu: cpuPercent,
        memory: memoryPercent,
        disk: diskPercent,
      }));
  }

  async function record(thin: boolean): Promise<void> {
    const rows = samples();
    if (rows.length === 0 && !thin) return;
    const now = clock.now();
    await database.transaction(async (tx) => {
      await insertSamples(tx, rows);
      if (!thin) return;
      await thinSamples(tx, now);
      await deleteOldHistory(tx, now);
    });
  }

  function schedule(turn: number): void {
    if (stopped) return;
    timer = clock.after(
      RECORD_EVERY_MS,
      () => {
        record(turn % THIN_EVERY_SAMPLES === 0)
          .catch((error) => log.warn({ reason: messageOf(error) }, 'a sample of the machines was not stored'))
          .finally(() => schedule(turn + 1));
      },
      { background: true },
    );
  }

  return {
    store: () => record(false),
    deleteOld: () => database.transaction((tx) => deleteOldHistory(tx, clock.now())),
    read: (node, span) => readHistory(database.read, node, span),
    start: () => schedule(1),
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}
