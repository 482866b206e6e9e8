import { z } from 'zod';
import { passwordSchema, usernameSchema } from '../../domain/user.ts';
import { ROLES } from '../../kernel/auth.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import type { Guessing } from './guessing.ts';
import type { Users } from './users.ts';
import { userView } from './views.ts';

const tags = ['users'];
const description = 'Called by the application manager.';
const params = z.object({ name: z.string() });
/** Who acts, for what nobody may do to themselves. */
const by = z.string().nullable().meta({ example: 'admin' });

export function userRoutes(http: HttpApp, { users, guessing }: { users: Users; guessing: Guessing }): void {
  http.get(
    '/users',
    {
      config: { access: 'service' },
      schema: { tags, summary: 'All users', description, response: { 200: z.object({ users: z.array(userView) }) } },
    },
    async () => ({ users: await users.list() }),
  );

  http.get(
    '/users/:name',
    {
      config: { access: 'service' },
      schema: { tags, summary: 'One user', description, params, response: { 200: userView } },
    },
    async (request) => users.get(request.params.name),
  );

  http.post(
    '/users',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'Adds a user',
        description: `${description} \`stranger\`: the address of somebody who registers without a token, which is limited.`,
        body: z.strictObject({
          username: usernameSchema,
          password: passwordSchema,
          role: z.enum(ROLES),
          stranger: z.string().optional(),
        }),
        response: { 201: userView },
      },
    },
    async (request, reply) => {
      const { username, password, role, stranger } = request.body;
      if (stranger !== undefined) guessing.count(stranger);
      await users.add(username, password, role);
      return reply.status(201).send(await users.get(username));
    },
  );

  http.patch(
    '/users/:name',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'Changes a user’s role or resets the password; the user’s sessions end',
        description,
        params,
        body: z.strictObject({ role: z.enum(ROLES).optional(), password: passwordSchema.optional(), by }),
        response: { 200: userView },
      },
    },
    async (request) => {
      const { by: actor, ...to } = request.body;
      return users.change(request.params.name, to, actor);
    },
  );

  http.delete(
    '/users/:name',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'Deletes a user with sessions and tokens',
        description,
        params,
        querystring: z.object({ by: z.string().optional() }),
        response: { 200: z.strictObject({}) },
      },
    },
    async (request) => {
      await users.remove(request.params.name, request.query.by ?? null);
      return {};
    },
  );
}
