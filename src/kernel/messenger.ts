import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';
import { messageOf } from '../domain/errors.ts';
import {
  type Envelope,
  type Fields,
  formatEnvelope,
  formatText,
  parseEnvelope,
  parseText,
  subjectOf,
  type Text,
  type Topic,
  type Verb,
} from '../domain/message.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Database, Tx } from '../ports/database.ts';
import type { Log } from '../ports/log.ts';
import type { Delivery, MessageBus, Subscription } from '../ports/message-bus.ts';
import { counter, type Metrics } from './metrics.ts';

export interface MessengerTables {
  messenger_inbox: {
    request_id: string;
    verb: string;
    subject: string;
    attempt: number;
    received_at: number;
  };
  messenger_outbox: {
    id: number | null;
    topic: string;
    key: string;
    value: string;
  };
}

export const messengerMigrations: Record<string, Migration> = {
  '0001_messenger': {
    async up(db) {
      await db.schema
        .createTable('messenger_inbox')
        .addColumn('request_id', 'text', (c) => c.notNull())
        .addColumn('verb', 'text', (c) => c.notNull())
        .addColumn('subject', 'text', (c) => c.notNull())
        .addColumn('attempt', 'integer', (c) => c.notNull())
        .addColumn('received_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('messenger_inbox_pk', ['request_id', 'verb', 'subject', 'attempt'])
        .execute();
      await db.schema
        .createTable('messenger_outbox')
        .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
        .addColumn('topic', 'text', (c) => c.notNull())
        .addColumn('key', 'text', (c) => c.notNull())
        .addColumn('value', 'text', (c) => c.notNull())
        .execute();
    },
  },
};

/** A message taken apart. */
export type Message<V extends Verb = Verb> = Extract<Text, { verb: V }> & {
  requestId: string;
  from: string;
  /** When it was put on the bus, milliseconds since the Unix epoch. */
  sentAt: number;
  data: Record<string, unknown>;
};

/** One transaction and what is to happen once it is committed. */
export interface Unit<Tables> {
  readonly tx: Tx<Tables>;
  /** Sends when the transaction commits, and only then. */
  send<V extends Verb>(to: Topic, verb: V, fields: Fields<V>, requestId: string, data?: Record<string, unknown>): void;
  /** Runs `fn` after the commit, in this process only: for waking things up, not for anything that must happen. */
  after(fn: () => void): void;
}

export type Handler<Tables, V extends Verb> = (unit: Unit<Tables>, message: Message<V>) => Promise<void>;

export interface Messenger<Tables> {
  /** Whose it is. */
  readonly service: string;
  /** A command: carried out once, however often it arrives. */
  onCommand<V extends Verb>(verb: V, handler: Handler<Tables, V>): void;
  /** An answer or a report: the handler decides by the state whether it still matters. */
  onAnswer<V extends Verb>(verb: V, handler: Handler<Tables, V>): void;
  /** State changes and messages in one transaction. `fn` may be run again. */
  transaction<T>(fn: (unit: Unit<Tables>) => Promise<T>): Promise<T>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface MessengerOptions<Tables> {
  /** Goes into `from_topic` where the service has no topic of its own, and names the consumer group. */
  service: string;
  /** The topics it listens on. */
  listens: readonly Topic[];
  /** `from_topic` of what it sends. */
  from: string;
  database: Database<Tables>;
  bus: MessageBus;
  clock: Clock;
  log: Log;
  /** Absent: nothing is counted. */
  metrics?: Metrics | undefined;
}

const KEEP_INBOX_MS = 7 * 24 * 3600 * 1000;
const PRUNE_EVERY_MS = 3600 * 1000;
const RELAY_BATCH = 500;
const RELAY_RETRY_MS = 500;
const FORGET_MS = 1000;
/**
 * What nobody understands is passed over, so what fails has a reason that may pass, such as a full disk: at the longest
 * back-off of 30 s this is about a day. Only its own key waits for it.
 */
const MOST_ATTEMPTS = 3000;

/**
 * Inbox and outbox of one service. A handler's state changes, the note that the message was seen and the messages it
 * sends are one transaction, so a crash at any moment neither loses a message nor acts on one twice.
 */
export function createMessenger<Tables extends MessengerTables>(options: MessengerOptions<Tables>): Messenger<Tables> {
  const { database, bus, clock, log } = options;
  const handlers = new Map<Verb, { command: boolean; handler: Handler<Tables, Verb> }>();
  const count = messageCounter(options.metrics, options.service);
  let subscription: Subscription | null = null;
  let relaying: Promise<void> | null = null;
  let relayWanted = false;
  let stopped = false;
  let retryTimer: Timer | null = null;
  let pruneTimer: Timer | null = null;
  let forgetTimer: Timer | null = null;
  /** Rows of the outbox that are on the bus and wait for a transaction to remove them. */
  const published = new Set<number>();

  async function transaction<T>(fn: (unit: Unit<Tables>) => Promise<T>): Promise<T> {
    let outgoing: { topic: string; key: string; value: string }[] = [];
    let afterwards: (() => void)[] = [];
    let forgotten: number[] = [];
    const result = await database.transaction(async (tx) => {
      // `fn` may be run again: what an aborted run collected does not count.
      outgoing = [];
      afterwards = [];
      forgotten = [];
      const unit: Unit<Tables> = {
        tx,
        send(to, verb, fields, requestId, data) {
          const envelope: Envelope = {
            to_topic: to,
            from_topic: options.from,
            request_id: requestId,
            msg: formatText(verb, fields),
            ...(data ? { data } : {}),
          };
          const subject = (fields as { name?: string }).name ?? '';
          outgoing.push({ topic: to, key: subject || requestId, value: formatEnvelope(envelope) });
        },
        after: (callback) => afterwards.push(callback),
      };
      const value = await fn(unit);
      if (outgoing.length > 0) {
        await own(tx).insertInto('messenger_outbox').values(outgoing.map(withId)).execute();
        forgotten = await forgetPublished(tx);
      }
      return value;
    });
    for (const id of forgotten) published.delete(id);
    if (outgoing.length > 0) relay();
    for (const callback of afterwards) callback();
    return result;
  }

  async function receive(delivery: Delivery): Promise<void> {
    const message = read(delivery, log);
    const entry = message && handlers.get(message.verb);
    if (!message || !entry) {
      count(message?.verb ?? 'unknown', 'ignored');
      return;
    }
    try {
      const handled = await transaction(async (unit) => {
        if (entry.command && !(await isNew(own(unit.tx), message, clock.now()))) return false;
        await entry.handler(unit, message);
        return true;
      });
      count(message.verb, handled ? 'handled' : 'repeated');
    } catch (error) {
      count(message.verb, 'failed');
      throw error;
    }
  }

  /** Publishes what is in the outbox, in order. Runs again for what was added meanwhile. */
  function relay(): void {
    relayWanted = true;
    if (relaying || stopped) return;
    relaying = (async () => {
      while (relayWanted && !stopped) {
        relayWanted = false;
        await drainOutbox();
      }
    })()
      .catch((error) => {
        log.warn({ reason: messageOf(error) }, 'messages wait in the outbox');
        if (!stopped) retryTimer = clock.after(RELAY_RETRY_MS, relay);
      })
      .finally(() => {
        relaying = null;
        if (relayWanted) relay();
      });
  }

  async function drainOutbox(): Promise<void> {
    for (;;) {
      let query = own(database.read).selectFrom('messenger_outbox').selectAll().orderBy('id').limit(RELAY_BATCH);
      if (published.size > 0) query = query.where('id', 'not in', [...published]);
      const rows = await query.execute();
      if (rows.length === 0) return;
      await bus.publish(rows.map(({ topic, key, value }) => ({ topic, key, value })));
      for (const row of rows) if (row.id !== null) published.add(row.id);
      if (published.size >= RELAY_BATCH) await forget();
      else forgetSoon();
    }
  }

  /** Removes what was published, as part of a transaction that is made anyway. Returns what it removed. */
  async function forgetPublished(tx: Tx<Tables>): Promise<number[]> {
    const ids = [...published];
    // These and no others: on PostgreSQL a lower number may have been committed since they were read.
    if (ids.length > 0) await own(tx).deleteFrom('messenger_outbox').where('id', 'in', ids).execute();
    return ids;
  }

  async function forget(): Promise<void> {
    for (const id of await database.transaction(forgetPublished)) published.delete(id);
  }

  /** Nothing is lost by it: the next start publishes them again, and they are known already. */
  function staysForNow(error: unknown): void {
    log.warn({ reason: messageOf(error) }, 'published messages stay in the outbox for now');
  }

  /** When no other transaction takes it along. A crash before that publishes again, and the receivers' inboxes drop it. */
  function forgetSoon(): void {
    if (forgetTimer || stopped) return;
    forgetTimer = clock.after(
      FORGET_MS,
      () => {
        forgetTimer = null;
        if (published.size === 0) return;
        forget().catch(staysForNow);
      },
      { background: true },
    );
  }

  function schedulePrune(): void {
    pruneTimer = clock.after(
      PRUNE_EVERY_MS,
      () => {
        database
          .transaction(async (tx) => {
            const old = clock.now() - KEEP_INBOX_MS;
            await own(tx).deleteFrom('messenger_inbox').where('received_at', '<', old).execute();
          })
          .catch((error) => log.warn({ reason: messageOf(error) }, 'old inbox rows could not be removed'))
          .finally(() => {
            if (!stopped) schedulePrune();
          });
      },
      { background: true },
    );
  }

  const on =
    (command: boolean) =>
    <V extends Verb>(verb: V, handler: Handler<Tables, V>): void => {
      handlers.set(verb, { command, handler: handler as unknown as Handler<Tables, Verb> });
    };

  return {
    service: options.service,
    onCommand: on(true),
    onAnswer: on(false),
    transaction,
    async start() {
      relay();
      schedulePrune();
      if (options.listens.length > 0) {
        subscription = await bus.subscribe({
          topics: options.listens,
          group: options.service,
          handler: receive,
          maxAttempts: MOST_ATTEMPTS,
        });
      }
    },
    async stop() {
      await subscription?.stop();
      stopped = true;
      retryTimer?.cancel();
      pruneTimer?.cancel();
      forgetTimer?.cancel();
      await relaying;
      if (published.size > 0) await forget().catch(staysForNow);
    },
  };
}

type Outcome = 'handled' | 'failed' | 'repeated' | 'ignored';

function messageCounter(metrics: Metrics | undefined, service: string): (verb: string, outcome: Outcome) => void {
  if (!metrics) return () => undefined;
  const messages = counter(metrics, {
    name: 'avishkar_messages_total',
    help: 'Messages that were taken, by what became of them',
    labels: ['service', 'verb', 'outcome'],
  });
  return (verb, outcome) => messages.inc({ service, verb, outcome });
}

/** A service's tables hold the kernel's too; TypeScript cannot see that through a type parameter. */
function own<Tables extends MessengerTables>(db: Kysely<Tables>): Kysely<MessengerTables> {
  return db as unknown as Kysely<MessengerTables>;
}

/** SQLite and PostgreSQL both number the row when the id is left out; Kysely's types want it named. */
function withId(row: { topic: string; key: string; value: string }): MessengerTables['messenger_outbox'] {
  return row as MessengerTables['messenger_outbox'];
}

/** A text that nobody understands would fail for ever: it is logged and passed over. */
function read(delivery: Delivery, log: Log): Message | null {
  try {
    const envelope = parseEnvelope(delivery.value);
    const text = parseText(envelope.msg);
    if (!text) {
      log.warn({ topic: delivery.topic, offset: delivery.offset }, 'message passed over: its text is unknown');
      return null;
    }
    return {
      ...text,
      requestId: envelope.request_id,
      from: envelope.from_topic,
      sentAt: delivery.publishedAt,
      data: envelope.data ?? {},
    };
  } catch (error) {
    log.warn({ topic: delivery.topic, offset: delivery.offset, reason: messageOf(error) }, 'message passed over');
    return null;
  }
}

async function isNew(tx: Kysely<MessengerTables>, message: Message, now: number): Promise<boolean> {
  const attempt = typeof message.data.attempt === 'number' ? message.data.attempt : 0;
  const result = await tx
    .insertInto('messenger_inbox')
    .values({
      request_id: message.requestId,
      verb: message.verb,
      subject: subjectOf(message),
      attempt,
      received_at: now,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}
