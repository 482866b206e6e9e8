import { z } from 'zod';
import { AvkError, messageOf } from '../../domain/errors.ts';
import { DEPLOYING } from '../../domain/instance.ts';
import { nameSchema } from '../../domain/names.ts';
import { callerOf, type HttpApp } from '../../kernel/http/app.ts';
import { sendEvents } from '../../kernel/http/stream.ts';
import type { ServiceName } from '../../kernel/service.ts';
import { ownInstance } from './access.ts';
import { LOG_LINE } from './examples.ts';
import type { InstanceRouteDeps } from './routes-instances.ts';
import type { InstanceRow } from './store.ts';
import { withReplicas } from './view.ts';

const EXAMPLE_EVENTS = {
  events: [{ ts: '2026-11-22T08:00:02.000Z', kind: 'running', text: 'serving at http://127.0.0.1:2000' }],
};

const line = z.object({ ts: z.string(), replica: z.string(), stream: z.string(), line: z.string() });

/** What an instance printed, and what happened to it. */
export function logRoutes(app: HttpApp, deps: Omit<InstanceRouteDeps, 'instances'>): void {
  const tags = ['instances'];
  const params = z.object({ name: nameSchema });

  app.get(
    '/api/deployedApps/:name/logs',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: "An instance's log lines; followed as server-sent events",
        description:
          'With `build` the newest build instead of the replicas; that is also what there is before a replica runs. Called by the front end and the CLI.',
        params,
        querystring: z.object({
          tail: z.coerce.number().int().min(0).max(10_000).default(100),
          follow: z.stringbool().default(false),
          replica: z.string().max(100).optional(),
          build: z.stringbool().default(false),
        }),
        response: { 200: z.object({ lines: z.array(line) }).meta({ example: { lines: [LOG_LINE] } }) },
      },
    },
    async (request, reply) => {
      const row = await ownInstance(deps.database, callerOf(request), request.params.name);
      const { tail, follow, replica, build } = request.query;
      const query = new URLSearchParams({ tail: String(tail), follow: String(follow) });
      if (replica) query.set('replica', replica);
      const fromBuild = build || (!replica && DEPLOYING.includes(row.state));
      const [service, path]: [ServiceName, string] = fromBuild
        ? ['deployment-manager', `/builds/${row.name}/log?${query}`]
        : ['load-balancer', `/instances/${row.name}/logs?${query}`];
      if (replica && !fromBuild) await checkReplica(deps, row, replica);
      const gone = new AbortController();
      const values = deps.client.values(service, path, { signal: gone.signal });
      if (!follow) {
        const lines: z.infer<typeof line>[] = [];
        for await (const value of values) lines.push(line.parse(value));
        return { lines: lines.slice(-tail || lines.length) };
      }
      return sendEvents(reply, deps.clock, (send, end) => {
        (async () => {
          for await (const value of values) send({ data: value });
        })()
          .catch((error) => send({ event: 'problem', data: { detail: messageOf(error) } }))
          .finally(end);
        return () => gone.abort();
      }) as never;
    },
  );

  app.get(
    '/api/deployedApps/:name/events',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: "An instance's timeline, oldest first",
        description: 'Called by the front end and the CLI.',
        params,
        querystring: z.object({ tail: z.coerce.number().int().min(1).max(1000).default(100) }),
        response: {
          200: z
            .object({ events: z.array(z.object({ ts: z.string(), kind: z.string(), text: z.string() })) })
            .meta({ example: EXAMPLE_EVENTS }),
        },
      },
    },
    async (request) => {
      const row = await ownInstance(deps.database, callerOf(request), request.params.name);
      const rows = await deps.database.read
        .selectFrom('events')
        .selectAll()
        .where('instance', '=', row.name)
        // The name may have been another user's before.
        .where('owner', '=', row.created_by)
        .orderBy('id', 'desc')
        .limit(request.query.tail)
        .execute();
      return {
        events: rows
          .reverse()
          .map((event) => ({ ts: new Date(event.at).toISOString(), kind: event.kind, text: event.text })),
      };
    },
  );
}

/** A stream cannot say any more that there is no such replica. */
async function checkReplica(
  deps: Omit<InstanceRouteDeps, 'instances'>,
  row: InstanceRow,
  replica: string,
): Promise<void> {
  const [view] = await withReplicas(deps.client, deps.log, [row]);
  if (view?.replicas.some(({ id, name }) => [id, name].includes(replica))) return;
  throw new AvkError('AVK_NOT_FOUND', `${row.name} has no replica ${replica}`);
}
