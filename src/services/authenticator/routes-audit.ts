import { z } from 'zod';
import type { HttpApp } from '../../kernel/http/app.ts';
import type { Audit } from './audit.ts';
import { auditView } from './views.ts';

const tags = ['audit'];
const entry = auditView.omit({ id: true }).extend({ at: z.number().meta({ example: 1_795_334_400_000 }) });

export function auditRoutes(http: HttpApp, { audit }: { audit: Audit }): void {
  http.post(
    '/audit',
    {
      // A call that writes down calls is not itself one to write down.
      config: { access: 'service', acts: false },
      schema: {
        tags,
        summary: 'Writes down changing calls',
        description: 'Called by every service, in batches.',
        body: z.strictObject({ entries: z.array(entry).max(1000) }),
        response: { 200: z.strictObject({}) },
      },
    },
    async (request) => {
      await audit.add(request.body.entries);
      return {};
    },
  );

  http.get(
    '/audit',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'Who changed what, newest first',
        description: 'Called by the application manager.',
        querystring: z.object({
          limit: z.coerce.number().int().min(1).max(1000).default(100),
          before: z.coerce.number().int().min(1).optional(),
        }),
        response: { 200: z.object({ entries: z.array(auditView) }) },
      },
    },
    async (request) => ({ entries: await audit.list(request.query.limit, request.query.before) }),
  );
}
