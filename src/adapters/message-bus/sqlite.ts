import { AvkError, messageOf } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { BusMessage, MessageBus, SubscribeOptions, Subscription } from '../../ports/message-bus.ts';
import { explain, openSqlite } from '../sqlite/open.ts';
import { createGroupReader, type GroupReader } from './sqlite-group.ts';
import { createLog, type MessageLog } from './sqlite-log.ts';

export interface SqliteBusOptions {
  path: string;
  clock: Clock;
  /** Told of each message that a handler refused, with the reason. */
  onFailure?: (topic: string, offset: string, attempt: number, reason: string) => void;
}

interface Waiting {
  messages: readonly BusMessage[];
  done: () => void;
  failed: (error: unknown) => void;
}

/** Messages older than this are deleted once every group has seen them. */
const KEEP_MS = 7 * 24 * 3600 * 1000;
const PRUNE_EVERY_MS = 3600 * 1000;

/** The embedded bus: an append-only log in SQLite, read by the groups of this process. */
export function createSqliteBus(options: SqliteBusOptions): MessageBus {
  const file = openSqlite(options.path, { durable: true });
  const positions = openSqlite(options.path, { durable: false });
  const log: MessageLog = createLog(file, positions);
  const readers = new Map<string, GroupReader>();
  let waiting: Waiting[] = [];
  let closed = false;

  const prune = (): void => {
    log.prune(options.clock.now() - KEEP_MS);
    pruneTimer = options.clock.after(PRUNE_EVERY_MS, prune, { background: true });
  };
  let pruneTimer = options.clock.after(PRUNE_EVERY_MS, prune, { background: true });

  /** All that was asked for in one turn of the event loop shares one fsync. */
  function flush(): void {
    const batch = waiting;
    waiting = [];
    try {
      log.append(
        batch.flatMap((entry) => entry.messages),
        options.clock.now(),
      );
      for (const entry of batch) entry.done();
    } catch (error) {
      // Not all of them need be at fault: each on its own.
      if (batch.length > 1) for (const entry of batch) flushOne(entry);
      else batch[0]?.failed(explain(error));
    }
    wakeAll();
  }

  function flushOne(entry: Waiting): void {
    try {
      log.append(entry.messages, options.clock.now());
      entry.done();
    } catch (error) {
      entry.failed(explain(error));
    }
  }

  function wakeAll(): void {
    for (const reader of readers.values()) reader.wake();
  }

  return {
    publish(messages) {
      if (closed) return Promise.reject(new AvkError('AVK_SERVICE_UNAVAILABLE', 'the message bus is closed'));
      return new Promise((done, failed) => {
        waiting.push({ messages, done, failed });
        if (waiting.length === 1) queueMicrotask(flush);
      });
    },
    async subscribe(subscribe: SubscribeOptions): Promise<Subscription> {
      const stops = subscribe.topics.map((topic) => {
        const key = `${subscribe.group}\n${topic}`;
        let reader = readers.get(key);
        if (!reader) {
          reader = createGroupReader({
            log,
            clock: options.clock,
            group: subscribe.group,
            topic,
            onFailure: (delivery, error) =>
              options.onFailure?.(topic, delivery.offset, delivery.attempt, messageOf(error)),
            onBuried: wakeAll,
          });
          readers.set(key, reader);
        }
        const joined = reader.join(subscribe);
        return async () => {
          await joined.leave();
          if (reader.members() === 0 && readers.get(key) === reader) readers.delete(key);
        };
      });
      return {
        stop: async () => {
          await Promise.all(stops.map((stop) => stop()));
        },
      };
    },
    async close() {
      closed = true;
      pruneTimer.cancel();
      await Promise.all([...readers.values()].map((reader) => reader.stop()));
      positions.close();
      file.close();
    },
  };
}
