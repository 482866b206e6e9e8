import { hash, verify } from '@node-rs/argon2';
import { z } from 'zod';
import { AvkError } from '../../domain/errors.ts';
import { ROLES, type Role, type Tokens } from '../../kernel/auth.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import type { Service } from '../../kernel/service.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { AuthenticatorTables } from './store.ts';
import { createThrottle } from './throttle.ts';

/*
 * The authenticator owns the users: names, roles, argon2id hashes of their passwords. It signs the tokens that every
 * service checks by itself. Guessing is slowed down by account and source.
 */

export interface AuthenticatorDeps {
  http: HttpApp;
  database: Database<AuthenticatorTables>;
  tokens: Tokens;
  clock: Clock;
}

export interface Authenticator extends Service {
  /** Adds the administrator of a new platform. False when there are users already. */
  addFirstAdmin(password: string): Promise<boolean>;
}

const TOKEN_SECONDS = 12 * 3600;
/** OWASP's second recommended setting for argon2id: 19 MiB, 2 passes, 1 lane. */
const ARGON2 = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
const NO_USER = 'the user name or the password is wrong';

export function createAuthenticator(deps: AuthenticatorDeps): Authenticator {
  const { database, clock, tokens, http } = deps;
  const throttle = createThrottle(clock);
  /** Compared with when there is no such user, so that the answer takes as long. */
  let decoy: Promise<string> | null = null;
  /** Logins under way by what they are throttled by. One after the other: a burst of guesses is counted like a row of them. */
  const underWay = new Map<string, Promise<unknown>>();

  async function inTurn<T>(key: string, attempt: () => Promise<T>): Promise<T> {
    const before = underWay.get(key);
    const mine = before ? before.then(attempt, attempt) : attempt();
    underWay.set(key, mine);
    try {
      return await mine;
    } finally {
      if (underWay.get(key) === mine) underWay.delete(key);
    }
  }

  async function login(username: string, password: string, key: string) {
    const wait = throttle.waitSeconds(key);
    if (wait > 0) throw new AvkError('AVK_TOO_MANY_REQUESTS', `too many failed attempts; try again in ${wait} s`);
    const user = await database.read
      .selectFrom('users')
      .selectAll()
      .where('name_key', '=', username.toLowerCase())
      .executeTakeFirst();
    decoy ??= hash('nobody', ARGON2);
    const right = await verify(user?.password ?? (await decoy), password);
    if (!user || !right) {
      throttle.failed(key);
      throw new AvkError('AVK_UNAUTHENTICATED', NO_USER);
    }
    throttle.succeeded(key);
    const { token, expiresAt } = await tokens.issue({ kind: 'user', name: user.name, role: user.role }, TOKEN_SECONDS);
    return { token, role: user.role, expiresAt: new Date(expiresAt).toISOString() };
  }

  async function addUser(name: string, password: string, role: Role): Promise<void> {
    const row = {
      name_key: name.toLowerCase(),
      name,
      role,
      password: await hash(password, ARGON2),
      created_at: clock.now(),
    };
    await database.transaction(async (tx) => {
      const taken = await tx.selectFrom('users').select('name').where('name_key', '=', row.name_key).executeTakeFirst();
      if (taken) throw new AvkError('AVK_NAME_TAKEN', `there is a user ${taken.name} already`);
      await tx.insertInto('users').values(row).execute();
    });
  }

  http.post(
    '/login',
    {
      config: { access: 'service' },
      schema: {
        tags: ['users'],
        summary: 'Exchanges a password for a token',
        description: 'Called by the application manager.',
        body: z
          .strictObject({ username: z.string(), password: z.string(), from: z.string() })
          .meta({ example: { username: 'alice', password: 'correct horse battery staple', from: '127.0.0.1' } }),
        response: {
          200: z
            .object({ token: z.string(), role: z.enum(ROLES), expiresAt: z.string() })
            .meta({ example: { token: 'eyJhbGciOi…', role: 'user', expiresAt: '2026-11-22T20:00:00.000Z' } }),
        },
      },
    },
    async (request) => {
      const { username, password, from } = request.body;
      const key = `${username.toLowerCase()} ${from}`;
      return inTurn(key, () => login(username, password, key));
    },
  );

  http.post(
    '/users',
    {
      config: { access: 'service' },
      schema: {
        tags: ['users'],
        summary: 'Adds a user',
        description: 'Called by the application manager.',
        body: z
          .strictObject({ username: z.string(), password: z.string(), role: z.enum(ROLES) })
          .meta({ example: { username: 'alice', password: 'correct horse battery staple', role: 'user' } }),
        response: {
          201: z
            .object({ username: z.string(), role: z.enum(ROLES) })
            .meta({ example: { username: 'alice', role: 'user' } }),
        },
      },
    },
    async (request, reply) => {
      const { username, password, role } = request.body;
      await addUser(username, password, role);
      return reply.status(201).send({ username, role });
    },
  );

  return {
    name: 'authenticator',
    http,
    async addFirstAdmin(password) {
      if (await database.read.selectFrom('users').select('name').executeTakeFirst()) return false;
      await addUser('admin', password, 'admin');
      return true;
    },
    async start() {
      // Nothing runs on its own: users and tokens are asked for.
    },
    async stop() {
      // Nothing runs on its own.
    },
  };
}
