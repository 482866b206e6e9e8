import { z } from 'zod';
import { nameSchema } from '../../domain/names.ts';
import { callerOf, type HttpApp } from '../../kernel/http/app.ts';
import type { Database } from '../../ports/database.ts';
import { acceptedSchema } from './accepted.ts';
import { ownInstance } from './access.ts';
import { INSTANCE } from './examples.ts';
import type { Rollouts } from './rollouts.ts';
import type { ApplicationManagerTables } from './store.ts';

const version = z.string().min(1).max(64).meta({ example: '1.1.0' });
const instanceName = nameSchema.meta({ example: INSTANCE.instanceName });

/** `/api/deployedApps/upgrade`, `rollback`, `restart`: another version, or new replicas, behind the same address. */
export function rolloutRoutes(
  app: HttpApp,
  deps: { rollouts: Rollouts; database: Database<ApplicationManagerTables> },
): void {
  const tags = ['instances'];
  const { rollouts, database } = deps;
  const description = `Called by the front end and the CLI. The replicas are replaced one by one: a new one is started, and
when it is healthy an old one goes, so no request fails. A version whose replicas do not become healthy is taken back by
itself; \`rollout\` of the instance says how it goes. Repeating it is harmless, and a newer wish replaces one under way.`;

  app.post(
    '/api/deployedApps/upgrade/',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'Brings an instance to another version of its app',
        description: `${description} The settings are kept, as far as the version has them; \`config\` changes some.`,
        body: z.strictObject({
          instanceName,
          version,
          config: z
            .record(z.string(), z.unknown())
            .optional()
            .meta({ example: { THRESHOLD: 25 } }),
        }),
        response: { 202: acceptedSchema },
      },
    },
    async (request, reply) => {
      const { instanceName, version: wanted, config } = request.body;
      const row = await ownInstance(database, callerOf(request), instanceName);
      return reply.status(202).send(await rollouts.upgrade(row, wanted, config));
    },
  );

  app.post(
    '/api/deployedApps/rollback/',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'Brings an instance back to the version that ran before, or to the one named',
        description,
        body: z.strictObject({ instanceName, version: version.optional() }),
        response: { 202: acceptedSchema },
      },
    },
    async (request, reply) => {
      const row = await ownInstance(database, callerOf(request), request.body.instanceName);
      return reply.status(202).send(await rollouts.rollback(row, request.body.version));
    },
  );

  app.post(
    '/api/deployedApps/restart/',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'Replaces the replicas of an instance by new ones of the same version',
        description,
        body: z.strictObject({ instanceName }),
        response: { 202: acceptedSchema },
      },
    },
    async (request, reply) => {
      const row = await ownInstance(database, callerOf(request), request.body.instanceName);
      return reply.status(202).send(await rollouts.restart(row));
    },
  );
}
