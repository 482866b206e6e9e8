import { z } from 'zod';
import { AvkError } from '../../domain/errors.ts';
import { passwordSchema, usernameSchema } from '../../domain/user.ts';
import { type Principal, ROLES, type UserPrincipal } from '../../kernel/auth.ts';
import { callerOf, type HttpApp } from '../../kernel/http/app.ts';
import { concerns } from '../../kernel/http/audit.ts';
import { clearSessionCookie, setSessionCookie } from '../../kernel/http/session-cookie.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Clock } from '../../ports/clock.ts';
import { type User, userView } from './routes-users.ts';

export interface SessionRouteDeps {
  client: ServiceClient;
  clock: Clock;
  /** Whether anybody may register, as role user. */
  openRegistration: boolean;
}

const tags = ['users'];
const description = 'Called by the front end and the CLI.';
const empty = z.strictObject({});
const EXAMPLE_LOGIN = { token: 'eyJhbGciOi…', role: 'user', expiresAt: '2026-11-22T20:00:00.000Z' } as const;
const login = z
  .object({ token: z.string(), role: z.enum(ROLES), expiresAt: z.string() })
  .meta({ example: EXAMPLE_LOGIN });

/** `/api/auth/…` and `/api/users/me/…`: signing in and out, and what people do with their own account. */
export function sessionRoutes(app: HttpApp, { client, clock, openRegistration }: SessionRouteDeps): void {
  app.post(
    '/api/auth/login/',
    {
      config: { access: 'open' },
      schema: {
        tags,
        summary: 'Signs in; the token goes into the header Authorization: Bearer TOKEN',
        description: `${description} With the header \`X-Avishkar-Session: cookie\` it also sets the front end’s session cookie.`,
        headers: z.looseObject({ 'x-avishkar-session': z.string().optional() }),
        body: z
          .strictObject({ username: z.string().min(1).max(63), password: z.string().min(1).max(1000) })
          .meta({ example: { username: 'alice', password: 'correct horse battery staple' } }),
        response: { 200: login },
      },
    },
    async (request, reply) => {
      const body = { ...request.body, from: request.from };
      const answer = login.parse(await client.call('authenticator', 'POST', '/login', { body }));
      reply.header('cache-control', 'no-store');
      if (request.headers['x-avishkar-session'] === 'cookie') {
        const seconds = Math.floor((Date.parse(answer.expiresAt) - clock.now()) / 1000);
        setSessionCookie(request, reply, answer.token, seconds);
      }
      return answer;
    },
  );

  app.post(
    '/api/auth/logout/',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'Signs out: the session ends, and its token is refused everywhere within seconds',
        description: `${description} Harmless with an API token, which belongs to no session.`,
        response: { 200: empty },
      },
    },
    async (request, reply) => {
      const { session } = userOf(request);
      if (session) await client.call('authenticator', 'DELETE', `/sessions/${encodeURIComponent(session)}`);
      clearSessionCookie(request, reply);
      return {};
    },
  );

  app.post(
    '/api/auth/register/',
    {
      config: openRegistration ? { access: 'open', identifies: true } : { access: 'admin' },
      schema: {
        tags,
        summary: 'Adds a user',
        description: `${description} An administrator’s; where the operator allows it (\`avishkar up --open-registration\`) anybody’s, as role user.`,
        body: z.strictObject({
          username: usernameSchema,
          password: passwordSchema,
          role: z.enum(ROLES).default('user'),
        }),
        response: { 201: z.object({ username: z.string().meta({ example: 'alice' }), role: z.enum(ROLES) }) },
      },
    },
    async (request, reply) => {
      const { username, role } = request.body;
      const { principal } = request;
      if (role !== 'user' && !mayGiveRoles(principal)) {
        throw new AvkError('AVK_FORBIDDEN', 'only an administrator gives another role than user');
      }
      const body = { ...request.body, ...(mayGiveRoles(principal) ? {} : { stranger: request.from }) };
      await client.call('authenticator', 'POST', '/users', { body });
      return reply.status(201).send({ username, role });
    },
  );

  app.get(
    '/api/users/me/',
    {
      config: { access: 'user' },
      schema: { tags, summary: 'Who is signed in', description, response: { 200: userView } },
    },
    async (request) => (await client.call('authenticator', 'GET', `/users/${userOf(request).name}`)) as User,
  );

  app.post(
    '/api/users/me/password/',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'Changes one’s own password; one’s other sessions end',
        description,
        body: z.strictObject({
          currentPassword: z.string().min(1).max(1000).meta({ example: 'winter is coming' }),
          newPassword: passwordSchema,
        }),
        response: { 200: empty },
      },
    },
    async (request) => {
      const { name, session } = userOf(request);
      concerns(request, name);
      const body = { ...request.body, from: request.from, ...(session ? { session } : {}) };
      await client.call('authenticator', 'POST', `/users/${name}/password`, { body });
      return {};
    },
  );
}

function mayGiveRoles(principal: Principal | null): boolean {
  if (principal?.kind !== 'user') return principal !== null;
  return principal.role === 'admin' && (!principal.scopes || principal.scopes.includes('admin'));
}

/** A person or a person's token: a service has no account. */
function userOf(request: Parameters<typeof callerOf>[0]): UserPrincipal {
  const principal = callerOf(request);
  if (principal.kind === 'user') return principal;
  throw new AvkError('AVK_NOT_FOUND', 'a service of the platform has no account');
}
