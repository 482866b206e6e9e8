import { AvkError } from '../../domain/errors.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { RegistryEntry, RegistrySession, ServiceRegistry } from '../../ports/service-registry.ts';
import { openSqlite } from '../sqlite/open.ts';

export interface SqliteRegistryOptions {
  path: string;
  clock: Clock;
  random: Random;
  /** How long the entries of a dead owner stay. Default 6 s, renewed at a third of it; ZooKeeper's usual session is as long. */
  leaseMs?: number;
  /** Told when a lease could not be renewed. */
  onError?: (error: unknown) => void;
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS sessions (owner TEXT PRIMARY KEY, id TEXT NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
  name TEXT PRIMARY KEY, session TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
`;

const DEFAULT_LEASE_MS = 6000;

/** The embedded registry: entries that live as long as their owner's lease. Not synchronous FULL: what it holds is about the living. */
export function createSqliteRegistry(options: SqliteRegistryOptions): ServiceRegistry {
  const { clock, random } = options;
  const leaseMs = options.leaseMs ?? DEFAULT_LEASE_MS;
  const file = openSqlite(options.path, { durable: false });
  file.db.exec(SCHEMA);
  const own = new Map<string, string>();
  /** Each with what it was shown last. */
  const watchers = new Set<{ listener: (entries: RegistryEntry[]) => void; shown: string | null }>();
  let timer: Timer | null = null;
  let closed = false;

  function entries(): RegistryEntry[] {
    return file
      .prepare(
        `SELECT e.value FROM entries e JOIN sessions s ON s.id = e.session WHERE s.expires_at > ? ORDER BY e.name`,
      )
      .all(clock.now())
      .map((row) => JSON.parse(String(row.value)) as RegistryEntry);
  }

  /** Tells the watchers, if there is news. */
  function announce(): void {
    if (watchers.size === 0) return;
    const now = entries();
    const text = JSON.stringify(now);
    for (const watcher of watchers) {
      if (watcher.shown === text) continue;
      watcher.shown = text;
      watcher.listener(now);
    }
  }

  function tick(): void {
    if (closed) return;
    try {
      const expiresAt = clock.now() + leaseMs;
      file.transaction(() => {
        for (const id of own.values()) {
          file.prepare('UPDATE sessions SET expires_at = ? WHERE id = ?').run(expiresAt, id);
        }
      });
      announce();
    } catch (error) {
      options.onError?.(error);
    }
    timer = clock.after(leaseMs / 3, tick, { background: true });
  }
  timer = clock.after(leaseMs / 3, tick, { background: true });

  function endSession(id: string): void {
    file.prepare('DELETE FROM entries WHERE session = ?').run(id);
    file.prepare('DELETE FROM sessions WHERE id = ?').run(id);
  }

  function holds(id: string): boolean {
    return file.prepare('SELECT 1 FROM sessions WHERE id = ?').get(id) !== undefined;
  }

  return {
    async session(owner): Promise<RegistrySession> {
      const id = random.uuid();
      file.transaction(() => {
        const older = file.prepare('SELECT id FROM sessions WHERE owner = ?').get(owner);
        if (older) endSession(String(older.id));
        file.prepare('INSERT INTO sessions VALUES (?, ?, ?)').run(owner, id, clock.now() + leaseMs);
      });
      own.set(owner, id);
      announce();
      return {
        async register(entry) {
          if (!holds(id)) {
            throw new AvkError('AVK_EPOCH_LOST', `the registry session of ${owner} was replaced`, { retryable: false });
          }
          file
            .prepare('INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)')
            .run(entry.name, id, entry.kind, JSON.stringify(entry));
          announce();
        },
        async unregister(name) {
          file.prepare('DELETE FROM entries WHERE name = ? AND session = ?').run(name, id);
          announce();
        },
        async close() {
          if (own.get(owner) === id) own.delete(owner);
          if (closed) return;
          file.transaction(() => endSession(id));
          announce();
        },
      };
    },
    async list(kind) {
      const all = entries();
      return kind ? all.filter((entry) => entry.kind === kind) : all;
    },
    async get(name) {
      return entries().find((entry) => entry.name === name) ?? null;
    },
    async watch(listener) {
      const watcher = { listener, shown: null };
      watchers.add(watcher);
      announce();
      return () => {
        watchers.delete(watcher);
      };
    },
    async close() {
      if (closed) return;
      closed = true;
      timer?.cancel();
      file.close();
    },
  };
}
