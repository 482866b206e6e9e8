import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createVirtualClock } from '../../../test/support/virtual-clock.ts';
import { createSqliteDatabases } from '../../adapters/database/sqlite.ts';
import { type AuthenticatorTables, migrations } from './store.ts';

/** The authenticator's tables, whose transactions each run twice, and a clock. */
export async function tables(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'avishkar-auth-'));
  const databases = createSqliteDatabases({ directory, abortAndRerun: () => true });
  const database = await databases.open<AuthenticatorTables>('authenticator', migrations);
  t.after(async () => {
    await database.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { database, clock: createVirtualClock() };
}
