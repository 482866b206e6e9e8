import { z } from 'zod';
import { iso, spanOf, spanQuery } from '../../domain/history.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import type { Clock } from '../../ports/clock.ts';
import type { NodeHistory } from './history.ts';

export interface HistoryRouteDeps {
  history: NodeHistory;
  clock: Clock;
  /** Names of the machines there are. */
  names: () => readonly string[];
}

const pointSchema = z
  .tuple([z.number(), z.number(), z.number(), z.number()])
  .meta({ description: 'Milliseconds since the Unix epoch, CPU, memory and disk in percent' });

const EXAMPLE = {
  from: '2026-11-22T08:00:00.000Z',
  to: '2026-11-22T09:00:00.000Z',
  stepSeconds: 10,
  nodes: [{ name: 'node1', points: [[1_795_334_400_000, 12.5, 41.2, 63]] }],
};

/** What the machines looked like: recording, reading and deleting. */
export function historyRoutes(app: HttpApp, { history, clock, names }: HistoryRouteDeps): void {
  const tags = ['nodes'];
  const success = z.string().meta({ example: 'Success' });

  app.get(
    '/nodes/history',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'What every machine looked like, in at most 500 points',
        description:
          'Every 10 s for a day, then every minute for a week; each point is the mean of its step. Called by the application manager.',
        querystring: spanQuery,
        response: {
          200: z
            .object({
              from: z.string(),
              to: z.string(),
              stepSeconds: z.number(),
              nodes: z.array(z.object({ name: z.string(), points: z.array(pointSchema) })),
            })
            .meta({ example: EXAMPLE }),
        },
      },
    },
    async (request) => {
      const span = spanOf(request.query, clock.now());
      const nodes = await Promise.all(names().map(async (name) => ({ name, points: await history.read(name, span) })));
      return { from: iso(span.from), to: iso(span.to), stepSeconds: span.stepMs / 1000, nodes };
    },
  );

  const logging = {
    config: { access: 'admin' as const, legacy: true },
    schema: {
      tags,
      summary: 'Stores a sample of every machine now',
      description:
        "Called by operators and by the starting document's programs; the node manager stores one every 10 s by itself.",
      produces: ['text/plain'],
      response: { 200: success },
    },
  };
  const store = async (): Promise<string> => {
    await history.store();
    return 'Success';
  };
  app.get('/nodemgr/log', logging, store);
  app.post('/nodemgr/log', logging, store);

  app.delete(
    '/nodemgr/delete-old-logs',
    {
      config: { access: 'admin', legacy: true },
      schema: {
        tags,
        summary: 'Deletes history older than 7 days',
        description:
          "Called by operators and by the starting document's programs; the node manager does so by itself, too.",
        produces: ['text/plain'],
        response: { 200: success },
      },
    },
    async () => {
      await history.deleteOld();
      return 'Success';
    },
  );
}
