import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { AvkError, asAvkError } from '../../domain/errors.ts';

/** SQLite's result codes that mean "no space": FULL, IOERR_WRITE, IOERR_SHMSIZE (https://sqlite.org/rescode.html). */
const NO_SPACE = new Set([13, 778, 4874]);

/** One open SQLite file with its prepared statements. */
export interface SqliteFile {
  readonly db: DatabaseSync;
  /** Prepared once per text and kept. */
  prepare(sql: string): StatementSync;
  /** Runs `fn` between BEGIN IMMEDIATE and COMMIT. */
  transaction<T>(fn: () => T): T;
  close(): void;
}

/** How many prepared statements are kept per file; more texts than that are prepared anew in turn. */
const KEPT_STATEMENTS = 300;

/**
 * Opens (and creates) a file in WAL mode.
 *
 * `durable` is synchronous FULL: a commit survives a power cut. Otherwise NORMAL: it survives the death of the process.
 *
 * @throws AvkError AVK_HOME_UNUSABLE when the file cannot be opened for writing
 */
export function openSqlite(path: string, options: { durable: boolean; readOnly?: boolean }): SqliteFile {
  let db: DatabaseSync;
  try {
    if (!options.readOnly) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    db = new DatabaseSync(path, { readOnly: options.readOnly ?? false, timeout: 5000 });
    if (!options.readOnly) {
      db.exec('PRAGMA journal_mode = WAL');
      db.exec(`PRAGMA synchronous = ${options.durable ? 'FULL' : 'NORMAL'}`);
    }
  } catch (cause) {
    throw new AvkError('AVK_HOME_UNUSABLE', `cannot open ${path}: ${asAvkError(cause).message}`, { cause });
  }
  const statements = new Map<string, StatementSync>();

  function prepare(sql: string): StatementSync {
    const kept = statements.get(sql);
    if (kept) return kept;
    const statement = db.prepare(sql);
    if (statements.size >= KEPT_STATEMENTS) {
      const oldest = statements.keys().next().value;
      if (oldest !== undefined) statements.delete(oldest);
    }
    statements.set(sql, statement);
    return statement;
  }

  return {
    db,
    prepare,
    transaction(fn) {
      try {
        db.exec('BEGIN IMMEDIATE');
        const result = fn();
        db.exec('COMMIT');
        return result;
      } catch (error) {
        rollback(db);
        throw explain(error);
      }
    },
    close() {
      statements.clear();
      if (db.isOpen) db.close();
    },
  };
}

/** Ends a transaction that failed; SQLite itself may have ended it already (on a full disk it does). */
export function rollback(db: DatabaseSync): void {
  if (db.isOpen && db.isTransaction) db.exec('ROLLBACK');
}

/** SQLite's error as ours, where it says something a person can act on. */
export function explain(error: unknown): unknown {
  if (error instanceof Error && 'errcode' in error && NO_SPACE.has(Number(error.errcode))) {
    return new AvkError('AVK_DISK_FULL', 'the disk that holds the platform is full; nothing was changed', {
      cause: error,
    });
  }
  return error;
}
