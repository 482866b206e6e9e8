import { z } from 'zod';
import { iso, spanOf, spanQuery } from '../../domain/history.ts';
import { nameSchema } from '../../domain/names.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import type { Clock } from '../../ports/clock.ts';
import type { UsageHistory } from './usage-history.ts';

const usageSchema = z.object({
  from: z.string().meta({ example: '2026-11-22T08:00:00.000Z' }),
  to: z.string().meta({ example: '2026-11-22T09:00:00.000Z' }),
  stepSeconds: z.number().meta({ example: 10 }),
  series: z.array(
    z.object({
      replica: z.string().meta({ example: 'room-comfort-1_instance_1' }),
      points: z
        .array(z.tuple([z.number(), z.number(), z.number()]))
        .meta({ example: [[1_795_334_400_000, 3.2, 21.4]] }),
    }),
  ),
});

/** What an instance's replicas used. */
export function metricRoutes(app: HttpApp, { usage, clock }: { usage: UsageHistory; clock: Clock }): void {
  app.get(
    '/instances/:name/metrics',
    {
      config: { access: 'service' },
      schema: {
        tags: ['instances'],
        summary: 'What the replicas used, in at most 500 points each',
        description:
          'Those that are gone included; nothing from before `since`, milliseconds since the Unix epoch. Called by the application manager.',
        params: z.object({ name: nameSchema }),
        querystring: spanQuery.extend({ since: z.coerce.number().int().min(0).default(0) }),
        response: { 200: usageSchema },
      },
    },
    async (request) => {
      const { since, ...asked } = request.query;
      const span = spanOf(asked, clock.now());
      const series = await usage.read(request.params.name, span, since);
      return { from: iso(span.from), to: iso(span.to), stepSeconds: span.stepMs / 1000, series };
    },
  );
}
