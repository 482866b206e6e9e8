import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { systemClock } from '../adapters/clock/system.ts';
import { createSqliteDatabases } from '../adapters/database/sqlite.ts';
import { AvkError } from '../domain/errors.ts';
import { passwordSchema } from '../domain/user.ts';
import { type AuthenticatorTables, migrations } from '../services/authenticator/store.ts';
import { createUsers } from '../services/authenticator/users.ts';
import { takeHome } from './home.ts';

/**
 * Sets a user's password in the home of a stopped platform: for an operator who can read the home anyway, and whom
 * nobody can let in any more. The user's sessions end.
 *
 * @throws AvkError AVK_HOME_LOCKED, AVK_HOME_UNUSABLE, AVK_NOT_FOUND, AVK_UNACCEPTABLE
 */
export async function setPassword(directory: string, name: string, password: string): Promise<{ username: string }> {
  const folder = resolve(directory);
  // Taking a home makes what is missing; here a missing one is a wrong one.
  if (!existsSync(join(folder, 'state', 'authenticator.db'))) {
    throw new AvkError('AVK_HOME_UNUSABLE', `${folder} is not the home of a platform that was started before`);
  }
  const checked = passwordSchema.safeParse(password);
  if (!checked.success) {
    const message = checked.error.issues[0]?.message ?? 'not acceptable';
    throw new AvkError('AVK_UNACCEPTABLE', `password: ${message}`, { errors: [{ path: 'password', message }] });
  }
  const home = takeHome(folder);
  try {
    const databases = createSqliteDatabases({ directory: home.path('state') });
    const database = await databases.open<AuthenticatorTables>('authenticator', migrations);
    try {
      const { username } = await createUsers(database, systemClock).change(name, { password }, null);
      return { username };
    } finally {
      await database.close();
    }
  } finally {
    home.release();
  }
}
