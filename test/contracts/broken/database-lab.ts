import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSqliteDatabases } from '../../../src/adapters/database/sqlite.ts';
import type { Databases } from '../../../src/ports/database.ts';
import { smallDisk } from '../../support/small-disk.ts';
import type { DatabaseLab } from '../database.contract.ts';

const DISK_MB = 4;

/** Databases in a folder of their own; `breakIt` replaces methods. */
export async function sqliteDatabaseLab(
  breakIt: (databases: Databases) => Databases = (databases) => databases,
): Promise<DatabaseLab> {
  const directory = await mkdtemp(join(tmpdir(), 'avk-databases-'));
  const disk = await smallDisk(DISK_MB);
  const open = (at: string, abortAndRerun?: () => boolean): Databases =>
    breakIt(createSqliteDatabases({ directory: at, ...(abortAndRerun ? { abortAndRerun } : {}) }));
  const adapter = new URL('../../../src/adapters/database/sqlite.ts', import.meta.url);
  return {
    databases: open(directory),
    rerunning: (abortAndRerun) => open(directory, abortAndRerun),
    childSource: `
      import { createSqliteDatabases } from '${adapter}';
      const databases = createSqliteDatabases({ directory: ${JSON.stringify(directory)} });`,
    full: typeof disk === 'string' ? disk : { databases: open(disk.directory), fill: disk.fill, free: disk.free },
    async cleanup() {
      if (typeof disk !== 'string') await disk.cleanup();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
