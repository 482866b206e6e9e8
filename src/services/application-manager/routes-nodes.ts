import { z } from 'zod';
import { AvkError } from '../../domain/errors.ts';
import { NODE_STATES } from '../../domain/node.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import { NODE } from './examples.ts';

const node = z.object({
  name: z.string(),
  address: z.string(),
  state: z.enum(NODE_STATES),
  cpuPercent: z.number(),
  memoryPercent: z.number(),
  diskPercent: z.number(),
  score: z.number(),
  replicas: z.number(),
  lastSeen: z.string().nullable(),
  reason: z.string().optional(),
});
const wished = z
  .object({ name: z.string(), state: z.enum(NODE_STATES) })
  .meta({ example: { name: 'node1', state: 'draining' } });
const params = z.object({ name: z.string().min(1).max(63) });

/** `/api/nodes/…`: the machines, relayed to the node manager. */
export function nodeRoutes(app: HttpApp, deps: { client: ServiceClient }): void {
  const tags = ['nodes'];
  const description = 'Called by the front end and the CLI.';

  app.get(
    '/api/nodes/',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'All machines',
        description,
        response: { 200: z.object({ nodes: z.array(node) }).meta({ example: { nodes: [NODE] } }) },
      },
    },
    async () => (await deps.client.call('node-manager', 'GET', '/nodes')) as { nodes: z.infer<typeof node>[] },
  );

  const wish = (path: 'drain' | 'resume', summary: string, more: string): void => {
    app.post(
      `/api/nodes/:name/${path}/`,
      {
        config: { access: 'admin' },
        schema: {
          tags,
          summary,
          description: `${description} ${more} Repeating it is harmless.`,
          params,
          response: { 202: wished },
        },
      },
      async (request, reply) => {
        const where = `/nodes/${encodeURIComponent(request.params.name)}/${path}`;
        return reply
          .status(202)
          .send((await deps.client.call('node-manager', 'POST', where)) as z.infer<typeof wished>);
      },
    );
  };
  wish(
    'drain',
    'Empties a machine',
    'It gets nothing new, and its replicas are moved elsewhere, each only when its successor serves. It is `drained` when none is left; what has nowhere to go stays, and `reason` of the machine says so. It stays so until it is resumed, also through restarts.',
  );
  wish('resume', 'Takes a drained machine into use again', 'What was moved off does not come back by itself.');

  const embedded = (): never => {
    throw new AvkError(
      'AVK_UNACCEPTABLE',
      'this platform is embedded: it pretends its machines, as many as `avishkar up --nodes N` says',
    );
  };
  app.post(
    '/api/nodes/',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Adds a machine; refused on an embedded platform',
        description,
        response: { 202: wished },
      },
    },
    embedded,
  );
  app.delete(
    '/api/nodes/:name',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Removes a machine; refused on an embedded platform',
        description,
        params,
        response: { 202: wished },
      },
    },
    embedded,
  );
}
