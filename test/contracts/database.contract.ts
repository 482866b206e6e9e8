import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { Migration } from 'kysely/migration';
import type { Database, Databases } from '../../src/ports/database.ts';
import { startChild } from '../support/child.ts';

export interface DatabaseLab {
  databases: Databases;
  /** The same tables through an adapter that aborts and runs again whenever this says so. */
  rerunning(abortAndRerun: () => boolean): Databases;
  /** A JavaScript module's text that ends with `databases` being this lab's, for another process. */
  childSource: string;
  /** Databases on a disk that can be filled, or the reason why there is none. */
  full: { databases: Databases; fill(): Promise<void>; free(): Promise<void> } | string;
  cleanup(): Promise<void>;
}

interface Tables {
  accounts: { name: string; amount: number };
}

const migrations: Record<string, Migration> = {
  '0001_accounts': {
    async up(db) {
      await db.schema
        .createTable('accounts')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('amount', 'integer', (c) => c.notNull())
        .execute();
    },
  },
};
/** The same for a child's source. */
const MIGRATIONS_SOURCE = `{ '0001_accounts': { up: (db) => db.schema.createTable('accounts')
  .addColumn('name', 'text', (c) => c.primaryKey()).addColumn('amount', 'integer', (c) => c.notNull()).execute() } }`;

/** What every Database does. `skip`: names of tests with the reason why this adapter cannot pass them. */
export function databaseContract(
  name: string,
  options: { create: () => Promise<DatabaseLab>; skip?: Record<string, string> },
): void {
  describe(`Database: ${name}`, () => {
    let lab: DatabaseLab;
    before(async () => {
      lab = await options.create();
    });
    after(() => lab.cleanup());

    interface Scene {
      t: TestContext;
      /** A name that no other test uses. */
      service: string;
      open(databases?: Databases, more?: Record<string, Migration>): Promise<Database<Tables>>;
    }

    const check = (title: string, fn: (scene: Scene) => Promise<void>): void => {
      test(title, { skip: options.skip?.[title] ?? false }, async (t) => {
        const opened: Database<Tables>[] = [];
        const service = `s_${randomUUID().slice(0, 8)}`;
        try {
          await fn({
            t,
            service,
            async open(databases = lab.databases, more = {}) {
              const database = await databases.open<Tables>(service, { ...migrations, ...more });
              opened.push(database);
              return database;
            },
          });
        } finally {
          for (const database of opened) await database.close();
        }
      });
    };

    check('shows what was committed, and gives back what the function returned', async ({ open }) => {
      const database = await open();
      assert.equal(await add(database, 'a', 1).then(() => 'done'), 'done');
      assert.deepEqual(await accounts(database), [{ name: 'a', amount: 1 }]);
      assert.equal(await database.transaction(async () => 42), 42);
    });

    check('takes back everything when the function throws, and throws the same', async ({ open }) => {
      const database = await open();
      await add(database, 'a', 1);
      const error = new Error('no');
      const failing = database.transaction(async (tx) => {
        await tx.updateTable('accounts').set({ amount: 2 }).execute();
        await tx.insertInto('accounts').values({ name: 'b', amount: 1 }).execute();
        throw error;
      });
      await assert.rejects(failing, (thrown) => thrown === error);
      assert.deepEqual(await accounts(database), [{ name: 'a', amount: 1 }]);
      await add(database, 'c', 1);
    });

    check('takes back everything when a statement fails', async ({ open }) => {
      const database = await open();
      await add(database, 'a', 1);
      const failing = database.transaction(async (tx) => {
        await tx.insertInto('accounts').values({ name: 'b', amount: 1 }).execute();
        await tx.insertInto('accounts').values({ name: 'a', amount: 1 }).execute();
      });
      await assert.rejects(failing);
      assert.equal((await accounts(database)).length, 1);
    });

    check('loses no update of transactions at the same time', async ({ open }) => {
      const database = await open();
      await add(database, 'a', 0);
      await Promise.all(
        Array.from({ length: 40 }, () =>
          database.transaction(async (tx) => {
            const { amount } = await tx.selectFrom('accounts').select('amount').executeTakeFirstOrThrow();
            await tx
              .updateTable('accounts')
              .set({ amount: amount + 1 })
              .execute();
          }),
        ),
      );
      assert.deepEqual(await accounts(database), [{ name: 'a', amount: 40 }]);
    });

    check('lets no two transactions decide by what the other changes', async ({ open }) => {
      const database = await open();
      await add(database, 'a', 1);
      await add(database, 'b', 1);
      // Each may go down if the sum stays above zero: allowed to one of them.
      const withdraw = (name: string): Promise<void> =>
        database.transaction(async (tx) => {
          const rows = await tx.selectFrom('accounts').select('amount').execute();
          if (rows.reduce((sum, { amount }) => sum + amount, 0) < 2) return;
          await tx.updateTable('accounts').set({ amount: 0 }).where('name', '=', name).execute();
        });
      await Promise.all([withdraw('a'), withdraw('b')]);
      assert.equal((await accounts(database)).filter(({ amount }) => amount === 0).length, 1);
    });

    check('shows nothing to readers that is not committed', async ({ open }) => {
      const database = await open();
      let outside: unknown[] | null = null;
      await database.transaction(async (tx) => {
        await tx.insertInto('accounts').values({ name: 'a', amount: 1 }).execute();
        outside = await accounts(database);
        assert.equal((await tx.selectFrom('accounts').selectAll().execute()).length, 1);
      });
      assert.deepEqual(outside, []);
      assert.equal((await accounts(database)).length, 1);
    });

    check('is the same when functions are aborted and run again', async ({ open }) => {
      let asked = 0;
      const database = await open(lab.rerunning(() => asked++ % 2 === 0));
      let runs = 0;
      await add(database, 'a', 0);
      for (let round = 0; round < 10; round += 1) {
        await database.transaction(async (tx) => {
          runs += 1;
          const { amount } = await tx.selectFrom('accounts').select('amount').executeTakeFirstOrThrow();
          await tx
            .updateTable('accounts')
            .set({ amount: amount + 1 })
            .execute();
        });
      }
      assert.ok(runs > 10, 'the lab did not run anything again');
      assert.deepEqual(await accounts(database), [{ name: 'a', amount: 10 }]);
    });

    check('keeps what was committed when it is closed and opened again', async ({ open }) => {
      const first = await open();
      await add(first, 'a', 1);
      await first.close();
      assert.deepEqual(await accounts(await open()), [{ name: 'a', amount: 1 }]);
    });

    check('finishes the transaction under way when it is closed, and refuses more', async ({ open }) => {
      const database = await open();
      const under = add(database, 'a', 1);
      await Promise.all([under, database.close()]).catch((error) => {
        // Refused as a whole is right too.
        assert.equal(error.code, 'AVK_SERVICE_UNAVAILABLE');
      });
      await assert.rejects(add(database, 'b', 1), { code: 'AVK_SERVICE_UNAVAILABLE' });
    });

    check('survives the death of the process right after a commit', async ({ service, open }) => {
      const child = await startChild(
        `${lab.childSource}
        const database = await databases.open('${service}', ${MIGRATIONS_SOURCE});
        setInterval(() => undefined, 1000);
        await database.transaction((tx) => tx.insertInto('accounts').values({ name: 'a', amount: 1 }).execute());
        console.log('committed');`,
        'committed',
      );
      await child.kill();
      assert.deepEqual(await accounts(await open()), [{ name: 'a', amount: 1 }]);
    });

    check('knows nothing of a transaction that the death of the process interrupted', async ({ service, open }) => {
      const child = await startChild(
        `${lab.childSource}
        const database = await databases.open('${service}', ${MIGRATIONS_SOURCE});
        setInterval(() => undefined, 1000);
        await database.transaction(async (tx) => {
          await tx.insertInto('accounts').values({ name: 'a', amount: 1 }).execute();
          console.log('inside');
          await new Promise(() => undefined);
        });`,
        'inside',
      );
      await child.kill();
      const database = await open();
      assert.deepEqual(await accounts(database), []);
      await add(database, 'b', 1);
    });

    check('applies each migration once, in the order of their names', async ({ open }) => {
      const ran: string[] = [];
      const migration = (label: string): Migration => ({
        async up() {
          ran.push(label);
        },
      });
      const first = await open(lab.databases, { '0003_c': migration('c'), '0002_b': migration('b') });
      await first.close();
      assert.deepEqual(ran, ['b', 'c']);
      await open(lab.databases, { '0004_d': migration('d'), '0003_c': migration('c'), '0002_b': migration('b') });
      assert.deepEqual(ran, ['b', 'c', 'd']);
    });

    check('leaves nothing of a migration that failed', async ({ open }) => {
      const migration = (fails: boolean): Migration => ({
        async up(db) {
          await db.schema.createTable('half').addColumn('name', 'text').execute();
          if (fails) throw new Error('the migration broke');
        },
      });
      await assert.rejects(open(lab.databases, { '0002_half': migration(true) }), /the migration broke/);
      const database = await open(lab.databases, { '0002_half': migration(false) });
      await add(database, 'a', 1);
    });

    check('keeps the tables of services apart', async ({ open }) => {
      const one = await open();
      await add(one, 'a', 1);
      const other = await lab.databases.open<Tables>(`s_${randomUUID().slice(0, 8)}`, migrations);
      try {
        assert.deepEqual(await accounts(other), []);
        await add(one, 'b', 1);
      } finally {
        await other.close();
      }
    });

    check('counts its starts, and lets only the newest one write', async ({ open }) => {
      const older = await open();
      await add(older, 'a', 1);
      const newer = await open();
      assert.equal(newer.epoch, older.epoch + 1);
      await assert.rejects(add(older, 'b', 1), { code: 'AVK_EPOCH_LOST' });
      await add(newer, 'c', 1);
      assert.deepEqual(
        (await accounts(newer)).map(({ name: account }) => account),
        ['a', 'c'],
      );
      await Promise.all([older.close(), newer.close()]);
      assert.equal((await open()).epoch, newer.epoch + 1);
    });

    check('says that the disk is full, changes nothing, and goes on once it is not', async ({ t, open }) => {
      if (typeof lab.full === 'string') {
        t.skip(lab.full);
        return;
      }
      const database = await open(lab.full.databases);
      await add(database, 'kept', 1);
      await lab.full.fill();
      let committed = 0;
      const writeOn = async (): Promise<void> => {
        // What is free in its own files is used up first.
        for (;;) {
          await database.transaction(async (tx) => {
            for (let row = 0; row < 10; row += 1) {
              const account = `${committed} ${row} ${'x'.repeat(10_000)}`;
              await tx.insertInto('accounts').values({ name: account, amount: 1 }).execute();
            }
          });
          committed += 1;
        }
      };
      await assert.rejects(writeOn(), { code: 'AVK_DISK_FULL' });
      assert.equal((await accounts(database)).length, 1 + committed * 10, 'whole transactions only');
      await lab.full.free();
      await add(database, 'after', 1);
      assert.equal((await accounts(database)).length, 2 + committed * 10);
    });
  });
}

function add(database: Database<Tables>, name: string, amount: number): Promise<unknown> {
  return database.transaction((tx) => tx.insertInto('accounts').values({ name, amount }).execute());
}

async function accounts(database: Database<Tables>): Promise<Tables['accounts'][]> {
  const rows = await database.read.selectFrom('accounts').selectAll().orderBy('name').execute();
  // Adapters give rows of different prototypes.
  return rows.map((row) => ({ ...row }));
}
