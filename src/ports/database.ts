import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Everything a statement inside `transaction` may use. `Tables` is the service's own table map. */
export type Tx<Tables> = Kysely<Tables>;

/** The tables of one service. No service can see another's. */
export interface Database<Tables> {
  /**
   * Runs `fn` in one serializable, durable transaction: when the promise resolves the changes survive a power cut.
   *
   * `fn` may be run again from the start (after a conflict, and at random in the tests), so it has no effect but
   * through `tx`. It must not await anything but `tx`: other transactions of this service wait for it.
   *
   * @throws AvkError AVK_EPOCH_LOST when a newer start of the same service owns the tables.
   * @throws AvkError AVK_DISK_FULL when the disk is full; nothing was changed.
   */
  transaction<T>(fn: (tx: Tx<Tables>) => Promise<T>): Promise<T>;
  /** Reads of committed state, outside any transaction. Never write through it. */
  readonly read: Kysely<Tables>;
  /** The number of this start of the service; rises by one at each `open`. */
  readonly epoch: number;
  close(): Promise<void>;
}

/** Opens the tables of services; an embedded adapter keeps one file per service, PostgreSQL one schema. */
export interface Databases {
  /** Applies the migrations not applied yet, in the order of their names, takes a new epoch, and returns the tables. */
  open<Tables>(service: string, migrations: Record<string, Migration>): Promise<Database<Tables>>;
}
