import { z } from 'zod';
import type { HttpApp } from '../../kernel/http/app.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import { SUCCESS } from './examples.ts';
import type { LoadBalancerTables } from './store.ts';

const replica = z.object({ id: z.string().min(1).max(64), node: z.string().min(1).max(63) });

/** Replicas that were started by somebody else and are to be gone, on machines that do not answer. */
export function retiredRoutes(app: HttpApp, deps: { database: Database<LoadBalancerTables>; clock: Clock }): void {
  app.post(
    '/retired',
    {
      config: { access: 'service' },
      schema: {
        tags: ['instances'],
        summary: 'Has replicas removed wherever they turn up',
        description:
          'Called by the deployment manager when a machine stops answering while it starts a first replica there. Repeating it is harmless.',
        body: z
          .object({ replicas: z.array(replica).max(100) })
          .meta({ example: { replicas: [{ id: '0f8b6a52-3c0e-4f0b-9d5a-1c2d3e4f5a6b', node: 'node1' }] } }),
        produces: ['text/plain'],
        response: { 200: z.string().meta({ example: SUCCESS }) },
      },
    },
    async (request) => {
      const at = deps.clock.now();
      await deps.database.transaction(async (tx) => {
        for (const { id, node } of request.body.replicas) {
          await tx
            .insertInto('retired')
            .values({ id, node, at })
            .onConflict((conflict) => conflict.doNothing())
            .execute();
        }
      });
      return 'Success';
    },
  );
}
