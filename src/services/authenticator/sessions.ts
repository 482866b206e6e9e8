import type { Verdict } from '../../kernel/identity.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database, Tx } from '../../ports/database.ts';
import type { AuthenticatorTables } from './store.ts';

type Rows = Tx<AuthenticatorTables>;

/** Sign-ins that go on. Ending one is deleting its row. */
export interface Sessions {
  /** What the session's token is worth now; null when it was ended. */
  check(id: string): Promise<Verdict | null>;
  end(id: string): Promise<void>;
  prune(): Promise<void>;
}

export function createSessions(database: Database<AuthenticatorTables>, clock: Clock): Sessions {
  return {
    async check(id) {
      const row = await database.read
        .selectFrom('sessions')
        .innerJoin('users', 'users.name_key', 'sessions.user_key')
        .select(['users.name', 'users.role', 'sessions.expires_at'])
        .where('sessions.id', '=', id)
        .where('sessions.expires_at', '>', clock.now())
        .executeTakeFirst();
      return row ? { name: row.name, role: row.role, expiresAt: row.expires_at } : null;
    },
    async end(id) {
      await database.transaction((tx) => tx.deleteFrom('sessions').where('id', '=', id).execute());
    },
    async prune() {
      await database.transaction((tx) => tx.deleteFrom('sessions').where('expires_at', '<=', clock.now()).execute());
    },
  };
}

export async function beginSession(
  tx: Rows,
  session: { id: string; userKey: string; now: number; expiresAt: number },
): Promise<void> {
  const { id, userKey, now, expiresAt } = session;
  await tx.insertInto('sessions').values({ id, user_key: userKey, created_at: now, expires_at: expiresAt }).execute();
}

/** Ends all of a user's sign-ins, but for one. */
export async function endSessions(tx: Rows, userKey: string, but?: string): Promise<void> {
  let query = tx.deleteFrom('sessions').where('user_key', '=', userKey);
  if (but !== undefined) query = query.where('id', '!=', but);
  await query.execute();
}
