import { messageOf } from '../../domain/errors.ts';
import type { AuditTrail } from '../../kernel/audit-trail.ts';
import type { Tokens } from '../../kernel/auth.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import type { Service } from '../../kernel/service.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { Random } from '../../ports/random.ts';
import { createApiTokens } from './api-tokens.ts';
import { createAudit } from './audit.ts';
import { createGuessing } from './guessing.ts';
import { createLogins } from './login.ts';
import { hashPassword } from './passwords.ts';
import { auditRoutes } from './routes-audit.ts';
import { loginRoutes } from './routes-login.ts';
import { tokenRoutes } from './routes-tokens.ts';
import { userRoutes } from './routes-users.ts';
import { createSessions } from './sessions.ts';
import type { AuthenticatorTables } from './store.ts';
import { createUsers } from './users.ts';

/*
 * The authenticator owns the users (names, roles, argon2id hashes of their passwords), their sign-ins, the API tokens
 * and the audit log. It signs the tokens whose signature every service checks by itself, and tells services which
 * sign-ins and API tokens go on. Guessing is slowed down by account and source.
 */

export interface AuthenticatorDeps {
  http: HttpApp;
  database: Database<AuthenticatorTables>;
  tokens: Tokens;
  clock: Clock;
  random: Random;
  log: Log;
  /** For what it writes down itself: sign-ins. */
  trail: AuditTrail;
}

export interface Authenticator extends Service {
  /** Adds the administrator of a new platform; the password is the operator's own choice. False when there are users already. */
  addFirstAdmin(password: string): Promise<boolean>;
}

const FIRST_ADMIN = 'admin';
const PRUNE_MS = 10 * 60_000;

export function createAuthenticator(deps: AuthenticatorDeps): Authenticator {
  const { database, clock, random, http, log } = deps;
  const guessing = createGuessing(clock);
  const users = createUsers(database, clock);
  const sessions = createSessions(database, clock);
  const apiTokens = createApiTokens(database, clock, random);
  const audit = createAudit(database, clock);
  const logins = createLogins({ ...deps, guessing });
  loginRoutes(http, { logins, sessions, apiTokens });
  userRoutes(http, { users, guessing });
  tokenRoutes(http, { apiTokens });
  auditRoutes(http, { audit });

  let pruning: Promise<void> = Promise.resolve();
  let timer: Timer | null = null;
  async function prune(): Promise<void> {
    try {
      await sessions.prune();
      await audit.prune();
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'what is over could not be pruned; tried again later');
    }
  }
  function pruneAndGoOn(): void {
    pruning = prune();
    timer = clock.after(PRUNE_MS, pruneAndGoOn, { background: true });
  }

  return {
    name: 'authenticator',
    http,
    async addFirstAdmin(password) {
      if (!(await users.none())) return false;
      const row = {
        name_key: FIRST_ADMIN,
        name: FIRST_ADMIN,
        role: 'admin' as const,
        password: await hashPassword(password),
        created_at: clock.now(),
        last_login_at: null,
      };
      await database.transaction((tx) => tx.insertInto('users').values(row).execute());
      return true;
    },
    async start() {
      pruneAndGoOn();
    },
    async stop() {
      timer?.cancel();
      await pruning;
    },
  };
}
