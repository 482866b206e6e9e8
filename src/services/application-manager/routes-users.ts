import { z } from 'zod';
import { AvkError } from '../../domain/errors.ts';
import { passwordSchema, usernameSchema } from '../../domain/user.ts';
import { ROLES } from '../../kernel/auth.ts';
import { callerOf, type HttpApp } from '../../kernel/http/app.ts';
import { concerns } from '../../kernel/http/audit.ts';
import { SCOPES } from '../../kernel/scopes.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';

export const userView = z.object({
  username: z.string().meta({ example: 'alice' }),
  role: z.enum(ROLES),
  createdAt: z.string().meta({ example: '2026-11-20T09:30:00.000Z' }),
  lastLoginAt: z.string().nullable().meta({ example: '2026-11-22T08:00:00.000Z' }),
});
export type User = z.infer<typeof userView>;

const tokenView = z.object({
  id: z.string().meta({ example: '9f2c4e6a8b0d1f35' }),
  name: z.string().meta({ example: 'build server' }),
  username: z.string().meta({ example: 'dora' }),
  role: z.enum(ROLES),
  /** Empty: not limited. */
  scopes: z.array(z.enum(SCOPES)),
  createdAt: z.string().meta({ example: '2026-11-20T09:30:00.000Z' }),
  expiresAt: z.string().nullable().meta({ example: '2027-11-20T09:30:00.000Z' }),
  lastUsedAt: z.string().nullable().meta({ example: null }),
});
const newToken = tokenView.extend({ token: z.string().meta({ example: 'avk_…' }) });
type Token = z.infer<typeof tokenView>;

const auditEntry = z.object({
  id: z.number().meta({ example: 4711 }),
  at: z.string().meta({ example: '2026-11-22T08:00:00.000Z' }),
  actor: z.string().meta({ example: 'alice' }),
  action: z.string().meta({ example: 'Stops an instance' }),
  method: z.string().meta({ example: 'POST' }),
  path: z.string().meta({ example: '/api/deployedApps/stopApp/' }),
  target: z.string().nullable().meta({ example: 'room-comfort-1' }),
  status: z.number().meta({ example: 202 }),
  from: z.string().meta({ example: '192.0.2.7' }),
});

const description = 'Called by the front end and the CLI.';
const empty = z.strictObject({});
const username = z.object({ username: usernameSchema });

/** `/api/users/…`, `/api/tokens/…` and `/api/audit/`: an administrator's part of the authenticator. */
export function userRoutes(app: HttpApp, { client }: { client: ServiceClient }): void {
  accountRoutes(app, client);
  tokenRoutes(app, client);

  app.get(
    '/api/audit/',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['audit'],
        summary: 'Who changed what, newest first',
        description: `${description} Kept for 90 days, 100,000 entries at most.`,
        querystring: z.strictObject({
          limit: z.coerce.number().int().min(1).max(1000).default(100),
          before: z.coerce.number().int().min(1).optional().describe('Only entries older than the one of this id'),
        }),
        response: { 200: z.object({ entries: z.array(auditEntry) }) },
      },
    },
    async (request) => {
      const { limit, before } = request.query;
      const path = `/audit?limit=${limit}${before === undefined ? '' : `&before=${before}`}`;
      return (await client.call('authenticator', 'GET', path)) as { entries: z.infer<typeof auditEntry>[] };
    },
  );
}

function accountRoutes(app: HttpApp, client: ServiceClient): void {
  const tags = ['users'];

  app.get(
    '/api/users/',
    {
      config: { access: 'admin' },
      schema: { tags, summary: 'All users', description, response: { 200: z.object({ users: z.array(userView) }) } },
    },
    async () => (await client.call('authenticator', 'GET', '/users')) as { users: User[] },
  );

  app.post(
    '/api/users/',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Adds a user',
        description,
        body: z.strictObject({
          username: usernameSchema,
          password: passwordSchema,
          role: z.enum(ROLES).default('user'),
        }),
        response: { 201: userView },
      },
    },
    async (request, reply) => {
      const added = (await client.call('authenticator', 'POST', '/users', { body: request.body })) as User;
      return reply.status(201).send(added);
    },
  );

  app.patch(
    '/api/users/:username/',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Changes a user’s role or resets the password; the user’s sessions end',
        description: `${description} The last administrator stays one; one’s own password is changed at \`/api/users/me/password/\`.`,
        params: username,
        body: z
          .strictObject({ role: z.enum(ROLES).optional(), password: passwordSchema.optional() })
          .refine((body) => Object.keys(body).length > 0, 'expected role or password'),
        response: { 200: userView },
      },
    },
    async (request) => {
      const body = { ...request.body, by: actorName(request) };
      return (await client.call('authenticator', 'PATCH', `/users/${request.params.username}`, { body })) as User;
    },
  );

  app.delete(
    '/api/users/:username/',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Deletes a user with sessions and tokens',
        description: `${description} Not oneself, and not the last administrator. The user’s instances stay.`,
        params: username,
        response: { 200: empty },
      },
    },
    async (request) => {
      const by = actorName(request);
      const query = by === null ? '' : `?by=${encodeURIComponent(by)}`;
      await client.call('authenticator', 'DELETE', `/users/${request.params.username}${query}`);
      return {};
    },
  );
}

function tokenRoutes(app: HttpApp, client: ServiceClient): void {
  const tags = ['tokens'];

  app.get(
    '/api/tokens/',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'All API tokens, newest first',
        description: `${description} No scopes: not limited.`,
        response: { 200: z.object({ tokens: z.array(tokenView) }) },
      },
    },
    async () => (await client.call('authenticator', 'GET', '/tokens')) as { tokens: Token[] },
  );

  app.post(
    '/api/tokens/',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Makes an API token, which is shown this once',
        description: `${description} Without a user it is the caller’s own, without a role it has the user’s. Scopes limit it: \`read\` to GETs, \`deploy\` to instances and schedules, \`upload\` to the catalogue, \`admin\` to users, tokens, machines and the platform; without any it may all that the role may.`,
        body: z.strictObject({
          name: z
            .string()
            .trim()
            .regex(/^[^\p{Cc}]{1,64}$/u, 'expected 1 to 64 characters on one line')
            .meta({ example: 'build server' }),
          username: usernameSchema.optional(),
          role: z.enum(ROLES).optional(),
          scopes: z
            .array(z.enum(SCOPES))
            .min(1, 'expected a scope; leave it out for all')
            .max(SCOPES.length)
            .optional(),
          expiresInDays: z.number().positive().max(3660).optional(),
        }),
        response: { 201: newToken },
      },
    },
    async (request, reply) => {
      const owner = request.body.username ?? actorName(request);
      if (owner === null) {
        const errors = [{ path: 'username', message: 'expected a user, as a service has no tokens' }];
        throw new AvkError('AVK_UNACCEPTABLE', 'username: expected a user, as a service has no tokens', { errors });
      }
      const body = { ...request.body, username: owner };
      const made = (await client.call('authenticator', 'POST', '/tokens', { body })) as z.infer<typeof newToken>;
      concerns(request, `${owner} ${made.name} ${made.id}`);
      return reply.status(201).header('cache-control', 'no-store').send(made);
    },
  );

  app.delete(
    '/api/tokens/:id/',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Revokes an API token; it is refused everywhere within seconds',
        description,
        params: z.object({ id: z.string().regex(/^[0-9a-f]{16}$/, 'expected the id of a token, 16 digits') }),
        response: { 200: empty },
      },
    },
    async (request) => {
      await client.call('authenticator', 'DELETE', `/tokens/${request.params.id}`);
      return {};
    },
  );
}

function actorName(request: Parameters<typeof callerOf>[0]): string | null {
  const principal = callerOf(request);
  return principal.kind === 'user' ? principal.name : null;
}
