import { messageOf } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { LogLine } from '../../ports/container-runtime.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import { type DeploymentManagerTables, imageOf, KEPT_BUILD_LINES, replaceBuildLog } from './store.ts';

/** What builds print: live in memory while they run, in the database afterwards. */
export interface BuildLogs {
  record<T>(instance: string, image: string, build: (log: (line: string) => void) => Promise<T>): Promise<T>;
  /** The lines of the build under way, else of the one that made the instance's image; oldest first. */
  read(instance: string): Promise<LogLine[]>;
  /** Forgets what the builds of all other images printed. */
  prune(keep: ReadonlySet<string>): Promise<void>;
  /** Calls `listener` with each line of the build under way; `ended` when there is none any more. */
  follow(instance: string, listener: (line: LogLine) => void, ended: () => void): () => void;
}

interface Running {
  lines: { at: number; line: string }[];
  listeners: Set<{ line: (line: LogLine) => void; ended: () => void }>;
}

const LONGEST_LINE = 16_384;

export function createBuildLogs(database: Database<DeploymentManagerTables>, clock: Clock, log: Log): BuildLogs {
  const running = new Map<string, Running>();

  const lineOf = (instance: string, entry: { at: number; line: string }): LogLine => ({
    ts: new Date(entry.at).toISOString(),
    replica: instance,
    stream: 'build',
    line: entry.line,
  });

  return {
    async record(instance, image, build) {
      const build_: Running = { lines: [], listeners: new Set() };
      running.set(instance, build_);
      try {
        return await build((text) => {
          const entry = { at: clock.now(), line: text.slice(0, LONGEST_LINE) };
          build_.lines.push(entry);
          if (build_.lines.length > KEPT_BUILD_LINES) build_.lines.shift();
          for (const listener of build_.listeners) listener.line(lineOf(instance, entry));
        });
      } finally {
        // An image that was there already prints nothing; the log of the build that made it is worth keeping.
        if (build_.lines.length > 0) {
          await database
            .transaction((tx) => replaceBuildLog(tx, image, build_.lines))
            .catch((error) => log.warn({ instance, reason: messageOf(error) }, 'the build log was not kept'));
        }
        running.delete(instance);
        for (const listener of build_.listeners) listener.ended();
      }
    },
    async read(instance) {
      const current = running.get(instance);
      if (current) return current.lines.map((entry) => lineOf(instance, entry));
      const image = await imageOf(database.read, instance);
      if (image === null) return [];
      const lines = await database.read
        .selectFrom('build_logs')
        .select(['at', 'line'])
        .where('image', '=', image)
        .orderBy('position')
        .execute();
      return lines.map((entry) => lineOf(instance, entry));
    },
    async prune(keep) {
      await database.transaction(async (tx) => {
        const images = await tx.selectFrom('build_logs').select('image').distinct().execute();
        for (const { image } of images) {
          if (!keep.has(image)) await tx.deleteFrom('build_logs').where('image', '=', image).execute();
        }
      });
    },
    follow(instance, line, ended) {
      const current = running.get(instance);
      if (!current) {
        ended();
        return () => undefined;
      }
      const listener = { line, ended };
      current.listeners.add(listener);
      return () => {
        current.listeners.delete(listener);
      };
    },
  };
}
