import type { BusMessage } from '../../ports/message-bus.ts';
import type { SqliteFile } from '../sqlite/open.ts';

export interface LoggedMessage {
  offset: number;
  topic: string;
  key: string;
  value: string;
  publishedAt: number;
}

/** A message that a group has to come back to: it failed, or waits behind one of its key that did. */
export interface ParkedMessage extends LoggedMessage {
  /** Deliveries so far. */
  attempts: number;
  /** Milliseconds since the Unix epoch. */
  dueAt: number;
}

/** What a group did with a run of messages; recorded in one transaction. */
export interface Progress {
  /** The newest offset that was looked at. */
  cursor: number;
  parked: { offset: number; attempts: number; dueAt: number }[];
}

/** The tables of the embedded bus and all that touches them. */
export interface MessageLog {
  append(messages: readonly BusMessage[], at: number): void;
  /** Messages of a topic beyond the group's cursor, oldest first. */
  unread(group: string, topic: string, limit: number): LoggedMessage[];
  advance(group: string, topic: string, progress: Progress): void;
  /** The oldest parked message of each key. */
  parkedHeads(group: string, topic: string): ParkedMessage[];
  parkedKeys(group: string, topic: string): Set<string>;
  park(group: string, topic: string, parked: { offset: number; attempts: number; dueAt: number }): void;
  unpark(group: string, topic: string, offset: number): void;
  /** Moves a parked message to the dead-letter topic. */
  bury(group: string, message: ParkedMessage, at: number): void;
  prune(olderThan: number): void;
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS messages (
  off INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS messages_topic ON messages (topic, off);
CREATE TABLE IF NOT EXISTS cursors (
  grp TEXT NOT NULL, topic TEXT NOT NULL, off INTEGER NOT NULL, PRIMARY KEY (grp, topic)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parked (
  grp TEXT NOT NULL, topic TEXT NOT NULL, off INTEGER NOT NULL, attempts INTEGER NOT NULL, due_at INTEGER NOT NULL,
  PRIMARY KEY (grp, topic, off)) WITHOUT ROWID;
`;

const COLUMNS = 'm.off AS offset, m.topic, m.key, m.value, m.at AS publishedAt';

/**
 * @param file where messages are made durable
 * @param positions the same file, opened without an fsync per commit: where a group stands may be lost in a power cut,
 *   as it is then only delivered again
 */
export function createLog(file: SqliteFile, positions: SqliteFile): MessageLog {
  file.db.exec(SCHEMA);
  const { prepare } = file;

  function park(group: string, topic: string, entry: { offset: number; attempts: number; dueAt: number }): void {
    positions
      .prepare('INSERT OR REPLACE INTO parked (grp, topic, off, attempts, due_at) VALUES (?, ?, ?, ?, ?)')
      .run(group, topic, entry.offset, entry.attempts, entry.dueAt);
  }

  function append(messages: readonly BusMessage[], at: number): void {
    const insert = prepare('INSERT INTO messages (topic, key, value, at) VALUES (?, ?, ?, ?)');
    for (const message of messages) insert.run(message.topic, message.key, message.value, at);
  }

  return {
    append: (messages, at) => file.transaction(() => append(messages, at)),
    unread: (group, topic, limit) =>
      prepare(
        `SELECT ${COLUMNS} FROM messages m WHERE m.topic = ?
         AND m.off > coalesce((SELECT off FROM cursors WHERE grp = ? AND topic = ?), 0) ORDER BY m.off LIMIT ?`,
      ).all(topic, group, topic, limit) as unknown as LoggedMessage[],
    advance: (group, topic, progress) =>
      positions.transaction(() => {
        positions
          .prepare('INSERT OR REPLACE INTO cursors (grp, topic, off) VALUES (?, ?, ?)')
          .run(group, topic, progress.cursor);
        for (const entry of progress.parked) park(group, topic, entry);
      }),
    parkedHeads: (group, topic) =>
      prepare(
        `SELECT ${COLUMNS}, p.attempts, p.due_at AS dueAt FROM parked p JOIN messages m ON m.off = p.off
         WHERE p.grp = ? AND p.topic = ? AND p.off = (
           SELECT min(q.off) FROM parked q JOIN messages n ON n.off = q.off
           WHERE q.grp = p.grp AND q.topic = p.topic AND n.key = m.key)
         ORDER BY p.off`,
      ).all(group, topic) as unknown as ParkedMessage[],
    parkedKeys: (group, topic) =>
      new Set(
        prepare('SELECT DISTINCT m.key FROM parked p JOIN messages m ON m.off = p.off WHERE p.grp = ? AND p.topic = ?')
          .all(group, topic)
          .map((row) => String(row.key)),
      ),
    park,
    unpark: (group, topic, offset) => {
      positions.prepare('DELETE FROM parked WHERE grp = ? AND topic = ? AND off = ?').run(group, topic, offset);
    },
    bury: (group, message, at) =>
      file.transaction(() => {
        append([{ topic: `${message.topic}.dead`, key: message.key, value: message.value }], at);
        prepare('DELETE FROM parked WHERE grp = ? AND topic = ? AND off = ?').run(group, message.topic, message.offset);
      }),
    prune: (olderThan) =>
      file.transaction(() => {
        prepare(
          `DELETE FROM messages WHERE at < ? AND off NOT IN (SELECT off FROM parked)
           AND off <= coalesce((SELECT min(off) FROM cursors c WHERE c.topic = messages.topic), 0)`,
        ).run(olderThan);
      }),
  };
}
