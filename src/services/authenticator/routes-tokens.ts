import { z } from 'zod';
import { ROLES } from '../../kernel/auth.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import { SCOPES } from '../../kernel/scopes.ts';
import type { ApiTokens } from './api-tokens.ts';
import { tokenView } from './views.ts';

const tags = ['tokens'];
const description = 'Called by the application manager.';

export function tokenRoutes(http: HttpApp, { apiTokens }: { apiTokens: ApiTokens }): void {
  http.get(
    '/tokens',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'All API tokens, newest first',
        description,
        response: { 200: z.object({ tokens: z.array(tokenView) }) },
      },
    },
    async () => ({ tokens: await apiTokens.list() }),
  );

  http.post(
    '/tokens',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'Makes an API token, which is shown this once',
        description,
        body: z.strictObject({
          name: z.string().meta({ example: 'build server' }),
          username: z.string().meta({ example: 'dora' }),
          role: z.enum(ROLES).optional(),
          scopes: z.array(z.enum(SCOPES)).min(1).optional(),
          expiresInDays: z.number().optional(),
        }),
        response: { 201: tokenView.extend({ token: z.string().meta({ example: 'avk_…' }) }) },
      },
    },
    async (request, reply) => reply.status(201).send(await apiTokens.create(request.body)),
  );

  http.delete(
    '/tokens/:id',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'Revokes an API token',
        description,
        params: z.object({ id: z.string() }),
        response: { 200: z.strictObject({}) },
      },
    },
    async (request) => {
      await apiTokens.revoke(request.params.id);
      return {};
    },
  );
}
