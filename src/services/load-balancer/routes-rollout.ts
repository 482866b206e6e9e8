import { z } from 'zod';
import { instanceSpecSchema } from '../../domain/instance.ts';
import { nameSchema } from '../../domain/names.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import type { Messenger } from '../../kernel/messenger.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { SPEC, SUCCESS } from './examples.ts';
import type { Reconciler } from './reconciler.ts';
import { beginRollout, withdrawRollout } from './rollout.ts';
import type { LoadBalancerTables } from './store.ts';

const success = z.string().meta({ example: SUCCESS });

/** New versions of instances. */
export function rolloutRoutes(
  app: HttpApp,
  deps: { messenger: Messenger<LoadBalancerTables>; reconciler: Reconciler; clock: Clock; random: Random },
): void {
  const tags = ['instances'];
  const params = z.object({ name: nameSchema });
  const description =
    'Called by the application manager, which is told on first_topic what becomes of it. Repeating it is harmless.';

  app.post(
    '/instances/:name/rollout',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'Replaces the replicas one by one with those of a new version',
        description,
        params,
        body: z.object({ spec: instanceSpecSchema }).meta({ example: { spec: SPEC } }),
        produces: ['text/plain'],
        response: { 200: success },
      },
    },
    async (request) => {
      const { name } = request.params;
      await deps.messenger.transaction(({ tx }) => beginRollout(tx, name, request.body.spec, deps.clock.now()));
      deps.reconciler.kick(name);
      return 'Success';
    },
  );

  app.post(
    '/instances/:name/rollout/withdraw',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'Takes a new version back that has not come in yet',
        description,
        params,
        body: z.object({ generation: z.int().min(1).meta({ example: 2 }) }),
        produces: ['text/plain'],
        response: { 200: success },
      },
    },
    async (request) => {
      const { name } = request.params;
      const requestId = deps.random.uuid();
      await deps.messenger.transaction((unit) => withdrawRollout(unit, name, request.body.generation, requestId));
      deps.reconciler.kick(name);
      return 'Success';
    },
  );
}
