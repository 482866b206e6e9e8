import { z } from 'zod';
import { AvkError } from '../../domain/errors.ts';
import { NODE_STATES } from '../../domain/node.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Fleet } from './fleet.ts';
import type { NodeManagerTables } from './store.ts';

/** Puts the operator's wishes of before into the fleet. */
export async function recallWishes(database: Database<NodeManagerTables>, fleet: Fleet): Promise<void> {
  for (const { node } of await database.read.selectFrom('node_wishes').select('node').execute()) {
    fleet.wish(node, 'empty');
  }
}

const params = z.object({ name: z.string().min(1).max(63) });
const answer = z
  .object({ name: z.string(), state: z.enum(NODE_STATES) })
  .meta({ example: { name: 'node1', state: 'draining' } });

/** What an operator wants of a machine: empty, for work on it, or in use again. */
export function drainRoutes(
  app: HttpApp,
  deps: { fleet: Fleet; database: Database<NodeManagerTables>; clock: Clock },
): void {
  const { fleet, database } = deps;
  const tags = ['nodes'];
  const description = 'Called by the application manager. Repeating it is harmless.';

  function stateOf(name: string): z.infer<typeof answer> {
    const { nodes } = fleet.view();
    const node = nodes.find((known) => known.name === name);
    if (node) return { name, state: node.state };
    const known = nodes.map((each) => each.name).join(', ') || 'none';
    throw new AvkError('AVK_NOT_FOUND', `there is no machine ${name}; there is ${known}`);
  }

  app.post(
    '/nodes/:name/drain',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Empties a machine: it gets nothing new, and the load balancer moves its replicas elsewhere',
        description,
        params,
        response: { 202: answer },
      },
    },
    async (request, reply) => {
      const { name } = request.params;
      stateOf(name);
      const at = deps.clock.now();
      await database.transaction(async (tx) => {
        await tx
          .insertInto('node_wishes')
          .values({ node: name, wanted: 'empty', at })
          .onConflict((conflict) => conflict.doNothing())
          .execute();
      });
      fleet.wish(name, 'empty');
      return reply.status(202).send(stateOf(name));
    },
  );

  app.post(
    '/nodes/:name/resume',
    {
      config: { access: 'admin' },
      schema: { tags, summary: 'Takes a machine into use again', description, params, response: { 202: answer } },
    },
    async (request, reply) => {
      const { name } = request.params;
      stateOf(name);
      await database.transaction(async (tx) => {
        await tx.deleteFrom('node_wishes').where('node', '=', name).execute();
      });
      fleet.wish(name, 'in use');
      return reply.status(202).send(stateOf(name));
    },
  );

  app.post(
    '/nodes/:name/staying',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'Says why replicas do not leave a machine that is to be empty, or with null that they do',
        description: 'Called by the load balancer every few seconds, as long as it is so.',
        params,
        body: z
          .object({ reason: z.string().min(1).max(2000).nullable() })
          .meta({ example: { reason: '1 replica has nowhere to go: no machine can take it' } }),
        response: { 200: z.string().meta({ example: 'Success' }) },
      },
    },
    async (request) => {
      stateOf(request.params.name);
      fleet.staying(request.params.name, request.body.reason);
      return 'Success';
    },
  );
}
