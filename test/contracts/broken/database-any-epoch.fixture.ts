import type { Database, Databases } from '../../../src/ports/database.ts';
import { databaseContract } from '../database.contract.ts';
import { sqliteDatabaseLab } from './database-lab.ts';

/** Lets a start that was replaced write on, through the one that replaced it. */
function tolerant(databases: Databases): Databases {
  const newest = new Map<string, unknown>();
  return {
    async open<Tables>(...args: Parameters<Databases['open']>): Promise<Database<Tables>> {
      const database = await databases.open<Tables>(...args);
      newest.set(args[0], database);
      return {
        epoch: database.epoch,
        read: database.read,
        close: () => database.close(),
        transaction: (fn) =>
          database.transaction(fn).catch((error) => {
            if (error.code !== 'AVK_EPOCH_LOST') throw error;
            return (newest.get(args[0]) as Database<Tables>).transaction(fn);
          }),
      };
    },
  };
}

databaseContract('any epoch', { create: () => sqliteDatabaseLab(tolerant) });
