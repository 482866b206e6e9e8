import { z } from 'zod';
import { spanQuery } from '../../domain/history.ts';
import { nameSchema } from '../../domain/names.ts';
import { callerOf, type HttpApp } from '../../kernel/http/app.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Database } from '../../ports/database.ts';
import { ownInstance } from './access.ts';
import type { ApplicationManagerTables } from './store.ts';

export interface HistoryRouteDeps {
  database: Database<ApplicationManagerTables>;
  client: ServiceClient;
}

const span = {
  from: z.string().meta({ example: '2026-11-22T08:00:00.000Z' }),
  to: z.string().meta({ example: '2026-11-22T09:00:00.000Z' }),
  stepSeconds: z.number().meta({ example: 10 }),
};
const nodesHistory = z.object({
  ...span,
  nodes: z.array(
    z.object({
      name: z.string().meta({ example: 'node1' }),
      points: z
        .array(z.tuple([z.number(), z.number(), z.number(), z.number()]))
        .meta({ example: [[1_795_334_400_000, 12.5, 41.2, 63]] }),
    }),
  ),
});
const instanceMetrics = z.object({
  ...span,
  series: z.array(
    z.object({
      replica: z.string().meta({ example: 'room-comfort-1_instance_1' }),
      points: z
        .array(z.tuple([z.number(), z.number(), z.number()]))
        .meta({ example: [[1_795_334_400_000, 3.2, 21.4]] }),
    }),
  ),
});

const SPAN = 'The last hour unless `from` and `to` say otherwise, in at most 500 points, each the mean of its step.';
const CALLERS = 'Called by the front end and the CLI.';

/** What machines and instances used over time; relayed from the services that record it. */
export function historyRoutes(app: HttpApp, { database, client }: HistoryRouteDeps): void {
  app.get(
    '/api/nodes/history/',
    {
      config: { access: 'user' },
      schema: {
        tags: ['nodes'],
        summary: 'What the machines looked like: [time, CPU, memory, disk] in percent',
        description: `Times are milliseconds since the Unix epoch. ${SPAN} Kept for a week. Called by the front end.`,
        querystring: spanQuery,
        response: { 200: nodesHistory },
      },
    },
    async (request) =>
      (await client.call('node-manager', 'GET', `/nodes/history?${queryOf(request.query)}`)) as z.infer<
        typeof nodesHistory
      >,
  );

  app.get(
    '/api/deployedApps/:name/metrics',
    {
      config: { access: 'user' },
      schema: {
        tags: ['instances'],
        summary: 'What the replicas used: [time, CPU, memory] in percent of their own limits',
        description: `Times are milliseconds since the Unix epoch; replicas that are gone are there, too. ${SPAN} Kept for a day. ${CALLERS}`,
        params: z.object({ name: nameSchema }),
        querystring: spanQuery,
        response: { 200: instanceMetrics },
      },
    },
    async (request) => {
      const row = await ownInstance(database, callerOf(request), request.params.name);
      const query = queryOf(request.query);
      // The name may have been another user's before.
      query.set('since', String(row.created_at));
      const path = `/instances/${row.name}/metrics?${query}`;
      return (await client.call('load-balancer', 'GET', path)) as z.infer<typeof instanceMetrics>;
    },
  );
}

function queryOf(asked: z.infer<typeof spanQuery>): URLSearchParams {
  const query = new URLSearchParams();
  if (asked.from !== undefined) query.set('from', asked.from);
  if (asked.to !== undefined) query.set('to', asked.to);
  return query;
}
