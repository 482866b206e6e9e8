import { z } from 'zod';
import { passwordSchema } from '../../domain/user.ts';
import { ROLES } from '../../kernel/auth.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import { verdictSchema } from '../../kernel/identity.ts';
import type { ApiTokens } from './api-tokens.ts';
import type { Logins } from './login.ts';
import type { Sessions } from './sessions.ts';

export interface LoginRouteDeps {
  logins: Logins;
  sessions: Sessions;
  apiTokens: ApiTokens;
}

const tags = ['users'];
const EXAMPLE_VERDICT = { name: 'alice', role: 'user' as const, expiresAt: 1_795_377_600_000 };
const empty = z.strictObject({});

export function loginRoutes(http: HttpApp, deps: LoginRouteDeps): void {
  const { logins, sessions, apiTokens } = deps;

  http.post(
    '/login',
    {
      // Logins write themselves down.
      config: { access: 'service', acts: false },
      schema: {
        tags,
        summary: 'Exchanges a password for a token',
        description: 'Called by the application manager.',
        body: z
          .strictObject({ username: z.string(), password: z.string(), from: z.string() })
          .meta({ example: { username: 'alice', password: 'correct horse battery staple', from: '192.0.2.7' } }),
        response: {
          200: z
            .object({ token: z.string(), role: z.enum(ROLES), expiresAt: z.string() })
            .meta({ example: { token: 'eyJhbGciOi…', role: 'user', expiresAt: '2026-11-22T20:00:00.000Z' } }),
        },
      },
    },
    async (request) => {
      const { username, password, from } = request.body;
      return logins.login({ username, from }, password);
    },
  );

  http.post(
    '/users/:name/password',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'Changes one’s own password',
        description: 'Called by the application manager for the user themselves. Other sessions end.',
        params: z.object({ name: z.string() }),
        body: z.strictObject({
          currentPassword: z.string().meta({ example: 'winter is coming' }),
          newPassword: passwordSchema,
          session: z.string().optional(),
          from: z.string().meta({ example: '192.0.2.7' }),
        }),
        response: { 200: empty },
      },
    },
    async (request) => {
      const { currentPassword: current, newPassword: next, session, from } = request.body;
      await logins.changePassword({ username: request.params.name, from }, { current, next, session });
      return {};
    },
  );

  http.delete(
    '/sessions/:id',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'Ends a session',
        description: 'Called by the application manager. Repeating it is harmless.',
        params: z.object({ id: z.string() }),
        response: { 200: empty },
      },
    },
    async (request) => {
      await sessions.end(request.params.id);
      return {};
    },
  );

  http.post(
    '/credentials/check',
    {
      config: { access: 'service', acts: false },
      schema: {
        tags,
        summary: 'What a session or an API token is worth now; null: nothing',
        description: 'Called by every service, which remembers the answer for seconds.',
        body: z
          .union([z.strictObject({ session: z.string() }), z.strictObject({ apiToken: z.string() })])
          .meta({ example: { apiToken: 'avk_…' } }),
        response: {
          200: z.object({ verdict: verdictSchema.nullable() }).meta({ example: { verdict: EXAMPLE_VERDICT } }),
        },
      },
    },
    async (request) => {
      const { body } = request;
      return { verdict: 'session' in body ? await sessions.check(body.session) : await apiTokens.check(body.apiToken) };
    },
  );
}
