import { join } from 'node:path';
import type { SQLInputValue } from 'node:sqlite';
import { Kysely, SqliteAdapter, type SqliteDatabase, SqliteDialect } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { AvkError } from '../../domain/errors.ts';
import type { Database, Databases, Tx } from '../../ports/database.ts';
import { explain, openSqlite, rollback, type SqliteFile } from '../sqlite/open.ts';

export interface SqliteDatabasesOptions {
  /** Each service has its own file in it. */
  directory: string;
  /** Asked once per transaction, after `fn` and before COMMIT: true aborts it and runs it again. Tests use it to prove that running twice is harmless. */
  abortAndRerun?: () => boolean;
}

/** The embedded database: one file per service, WAL, synchronous FULL. */
export function createSqliteDatabases(options: SqliteDatabasesOptions): Databases {
  return {
    async open<Tables>(service: string, migrations: Record<string, Migration>): Promise<Database<Tables>> {
      const path = join(options.directory, `${service}.db`);
      const file = openSqlite(path, { durable: true });
      try {
        const write = kyselyOver<Tables>(file);
        await migrate(write, migrations);
        const epoch = takeEpoch(file);
        const readFile = openSqlite(path, { durable: true, readOnly: true });
        return new SqliteServiceDatabase(file, readFile, write, epoch, options.abortAndRerun ?? (() => false));
      } catch (error) {
        file.close();
        throw explain(error);
      }
    },
  };
}

class SqliteServiceDatabase<Tables> implements Database<Tables> {
  readonly read: Kysely<Tables>;
  readonly epoch: number;
  readonly #file: SqliteFile;
  readonly #readFile: SqliteFile;
  readonly #write: Kysely<Tables>;
  readonly #abortAndRerun: () => boolean;
  /** Transactions run one after another: SQLite has one writer, and this connection is it. */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(
    file: SqliteFile,
    readFile: SqliteFile,
    write: Kysely<Tables>,
    epoch: number,
    abortAndRerun: () => boolean,
  ) {
    this.#file = file;
    this.#readFile = readFile;
    this.#write = write;
    this.read = kyselyOver<Tables>(readFile);
    this.epoch = epoch;
    this.#abortAndRerun = abortAndRerun;
  }

  transaction<T>(fn: (tx: Tx<Tables>) => Promise<T>): Promise<T> {
    const run = this.#last.then(() => this.#run(fn));
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #run<T>(fn: (tx: Tx<Tables>) => Promise<T>): Promise<T> {
    if (this.#closed) throw new AvkError('AVK_SERVICE_UNAVAILABLE', 'the service is stopping', { retryable: false });
    const { db } = this.#file;
    for (let run = 1; ; run += 1) {
      try {
        db.exec('BEGIN IMMEDIATE');
        this.#checkEpoch();
        const result = await fn(this.#write);
        // Never more than one re-run, so that a test's chance cannot keep a transaction for ever.
        if (run === 1 && this.#abortAndRerun()) {
          rollback(db);
          continue;
        }
        db.exec('COMMIT');
        return result;
      } catch (error) {
        rollback(db);
        throw explain(error);
      }
    }
  }

  #checkEpoch(): void {
    const row = this.#file.prepare('SELECT epoch FROM avk_epoch').get();
    if (row?.epoch !== this.epoch) {
      throw new AvkError('AVK_EPOCH_LOST', `this start (${this.epoch}) was replaced by a newer one (${row?.epoch})`, {
        retryable: false,
      });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
    this.#readFile.close();
    this.#file.close();
  }
}

async function migrate<Tables>(kysely: Kysely<Tables>, migrations: Record<string, Migration>): Promise<void> {
  const migrator = new Migrator({ db: kysely, provider: { getMigrations: async () => migrations } });
  const { error } = await migrator.migrateToLatest();
  if (error) throw explain(error);
}

function takeEpoch(file: SqliteFile): number {
  return file.transaction(() => {
    file.db.exec('CREATE TABLE IF NOT EXISTS avk_epoch (epoch INTEGER NOT NULL)');
    const before = file.prepare('SELECT epoch FROM avk_epoch').get();
    if (!before) file.db.exec('INSERT INTO avk_epoch (epoch) VALUES (0)');
    file.db.exec('UPDATE avk_epoch SET epoch = epoch + 1');
    return Number(before?.epoch ?? 0) + 1;
  });
}

/** Kysely's own says no, which would leave half a migration behind a crash; SQLite's tables are transactional too. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class Dialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new TransactionalAdapter();
  }
}

/** Kysely's dialect speaks better-sqlite3's interface; node:sqlite's differs in how parameters are passed. */
function kyselyOver<Tables>(file: SqliteFile): Kysely<Tables> {
  const database: SqliteDatabase = {
    close: () => file.close(),
    prepare(sql) {
      const statement = file.prepare(sql);
      const values = (parameters: readonly unknown[]): SQLInputValue[] => parameters as SQLInputValue[];
      return {
        reader: statement.columns().length > 0,
        all: (parameters) => statement.all(...values(parameters)),
        run: (parameters) => statement.run(...values(parameters)),
        iterate: (parameters) => statement.iterate(...values(parameters)),
      };
    },
  };
  return new Kysely<Tables>({ dialect: new Dialect({ database }) });
}
