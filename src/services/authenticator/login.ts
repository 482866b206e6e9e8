import { AvkError, asAvkError } from '../../domain/errors.ts';
import type { AuditTrail } from '../../kernel/audit-trail.ts';
import type { Role, Tokens } from '../../kernel/auth.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Random } from '../../ports/random.ts';
import type { Attempt, Guessing } from './guessing.ts';
import { hashPassword, isRight } from './passwords.ts';
import { beginSession, endSessions } from './sessions.ts';
import type { AuthenticatorTables } from './store.ts';
import { findUser, refuseFaulty, type UserRow } from './users.ts';

export interface LoginDeps {
  database: Database<AuthenticatorTables>;
  tokens: Tokens;
  clock: Clock;
  random: Random;
  guessing: Guessing;
  trail: AuditTrail;
}

export interface Login {
  token: string;
  role: Role;
  expiresAt: string;
}

/** What a person does with a password. Wrong ones are counted, wherever they are given. */
export interface Logins {
  /** @throws AvkError AVK_UNAUTHENTICATED, AVK_TOO_MANY_REQUESTS */
  login(who: Attempt, password: string): Promise<Login>;
  /**
   * Changes one's own password; other sessions end.
   *
   * @throws AvkError AVK_UNACCEPTABLE, also for a wrong current one, AVK_TOO_MANY_REQUESTS
   */
  changePassword(who: Attempt, change: { current: string; next: string; session: string | undefined }): Promise<void>;
}

const TOKEN_SECONDS = 12 * 3600;
const NO_USER = 'the user name or the password is wrong';

export function createLogins({ database, tokens, clock, random, guessing, trail }: LoginDeps): Logins {
  /** The user, if the password is right. */
  async function tried(who: Attempt, user: UserRow | undefined, password: string): Promise<UserRow | null> {
    const right = await guessing.allow(who, () => isRight(user?.password ?? null, password));
    return right && user ? user : null;
  }

  async function login(who: Attempt, known: UserRow | undefined, password: string): Promise<Login> {
    const user = await tried(who, known, password);
    if (!user) throw new AvkError('AVK_UNAUTHENTICATED', NO_USER);
    const session = random.uuid();
    const { name, role } = user;
    const { token, expiresAt } = await tokens.issue({ kind: 'user', name, role, session }, TOKEN_SECONDS);
    const now = clock.now();
    await database.transaction(async (tx) => {
      // As it was when the password was looked at: not deleted, demoted or given another password in the meantime.
      const same = await findUser(tx, name);
      if (same?.password !== user.password || same.role !== role) {
        throw new AvkError('AVK_UNAUTHENTICATED', NO_USER);
      }
      await beginSession(tx, { id: session, userKey: user.name_key, now, expiresAt });
      await tx.updateTable('users').set({ last_login_at: now }).where('name_key', '=', user.name_key).execute();
    });
    return { token, role, expiresAt: new Date(expiresAt).toISOString() };
  }

  /** Here, as only here it is known whether there is such a user: a name that is none may be a password. */
  function note(from: string, user: UserRow | undefined, status: number): void {
    const name = user?.name ?? null;
    const call = { action: 'Signs in', method: 'POST', path: '/api/auth/login/' };
    trail.record({ at: clock.now(), actor: name ?? 'unknown user', ...call, target: name, status, from });
  }

  return {
    async login(who, password) {
      const known = await findUser(database.read, who.username);
      try {
        const answer = await login(who, known, password);
        note(who.from, known, 200);
        return answer;
      } catch (error) {
        const { status } = asAvkError(error);
        // Of attempts that are not even looked at one is enough.
        if (status !== 429 || guessing.firstRefusal(who)) note(who.from, known, status);
        throw error;
      }
    },
    async changePassword(who, { current, next, session }) {
      refuseFaulty(next, who.username, 'newPassword');
      const user = await tried(who, await findUser(database.read, who.username), current);
      if (!user) {
        const errors = [{ path: 'currentPassword', message: 'expected the current password' }];
        throw new AvkError('AVK_UNACCEPTABLE', 'currentPassword: the current password is wrong', { errors });
      }
      const hashed = await hashPassword(next);
      await database.transaction(async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable('users')
          .set({ password: hashed })
          .where('name_key', '=', user.name_key)
          .where('password', '=', user.password)
          .executeTakeFirst();
        if (numUpdatedRows === 0n) throw new AvkError('AVK_CONFLICT', 'the password was changed in the meantime');
        await endSessions(tx, user.name_key, session);
      });
    },
  };
}
