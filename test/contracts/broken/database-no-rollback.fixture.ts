import type { Database, Databases } from '../../../src/ports/database.ts';
import { databaseContract } from '../database.contract.ts';
import { sqliteDatabaseLab } from './database-lab.ts';

/** Commits what was done before the function threw. */
function careless(databases: Databases): Databases {
  return {
    async open<Tables>(...args: Parameters<Databases['open']>): Promise<Database<Tables>> {
      const database = await databases.open<Tables>(...args);
      return {
        epoch: database.epoch,
        read: database.read,
        close: () => database.close(),
        async transaction(fn) {
          let failure: { error: unknown } | null = null;
          const result = await database.transaction(async (tx) => {
            try {
              return await fn(tx);
            } catch (error) {
              failure = { error };
              return null;
            }
          });
          // Assigned in the function above, which the compiler does not follow.
          const failed = failure as { error: unknown } | null;
          if (failed) throw failed.error;
          return result as Awaited<ReturnType<typeof fn>>;
        },
      };
    },
  };
}

databaseContract('no rollback', {
  create: async () => ({ ...(await sqliteDatabaseLab(careless)) }),
  skip: { 'says that the disk is full, changes nothing, and goes on once it is not': 'not what this one is about' },
});
