import { z } from 'zod';
import { AvkError } from '../../domain/errors.ts';
import { DEPLOYING, INSTANCE_STATES } from '../../domain/instance.ts';
import { nameSchema } from '../../domain/names.ts';
import type { Principal } from '../../kernel/auth.ts';
import { callerOf, type HttpApp } from '../../kernel/http/app.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import { maySee, ownInstance } from './access.ts';
import { INSTANCE, REQUEST_ID } from './examples.ts';
import type { Accepted, Instances } from './instances.ts';
import type { ApplicationManagerTables, InstanceRow } from './store.ts';
import { instanceSchema, withReplicas } from './view.ts';

export interface InstanceRouteDeps {
  instances: Instances;
  database: Database<ApplicationManagerTables>;
  client: ServiceClient;
  clock: Clock;
  log: Log;
}

const accepted = z
  .object({ instanceName: z.string(), requestId: z.string(), state: z.enum(INSTANCE_STATES) })
  .meta({ example: { instanceName: INSTANCE.instanceName, requestId: REQUEST_ID, state: 'requested' } });
const instanceList = z.object({ apps: z.array(instanceSchema) }).meta({ example: { apps: [INSTANCE] } });
const instanceName = nameSchema.meta({ example: INSTANCE.instanceName });
const count = z.int().min(1).max(100);

/** What it takes to deploy, now or on a schedule. */
export const deployShape = {
  appName: nameSchema.meta({ example: INSTANCE.appName }),
  version: z.string().max(64).optional().meta({ example: INSTANCE.version }),
  instanceName: instanceName.optional(),
  config: z
    .record(z.string(), z.unknown())
    .optional()
    .meta({ example: { THRESHOLD: 24.5 } }),
  scale: z
    .strictObject({
      min: count.optional(),
      max: count.optional(),
      cpuPercent: z.number().min(1).max(100).optional(),
      memoryPercent: z.number().min(1).max(100).optional(),
    })
    .optional()
    .meta({ example: { min: 1, max: 3 } }),
};

/** `/api/deployedApps/…`: instances. */
export function instanceRoutes(app: HttpApp, deps: InstanceRouteDeps): void {
  const tags = ['instances'];
  const description = 'Called by the front end and the CLI.';
  const { instances, database } = deps;

  const list = async (principal: Principal, keep: (row: InstanceRow) => boolean) => {
    const rows = await database.read.selectFrom('instances').selectAll().orderBy('created_at').execute();
    const shown = rows.filter((row) => maySee(principal, row.created_by) && keep(row));
    return { apps: await withReplicas(deps.client, deps.log, shown) };
  };

  app.get(
    '/api/deployedApps/getDeployedApps/',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'All instances but the scheduled ones',
        description,
        response: { 200: instanceList },
      },
    },
    (request) => list(callerOf(request), (row) => row.state !== 'scheduled'),
  );
  app.get(
    '/api/deployedApps/getDeployInProgressApps/',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'Instances on their way up',
        description,
        response: { 200: instanceList },
      },
    },
    (request) => list(callerOf(request), (row) => DEPLOYING.includes(row.state)),
  );
  app.get(
    '/api/deployedApps/:name',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'One instance',
        description,
        params: z.object({ name: nameSchema }),
        response: { 200: instanceSchema.meta({ example: INSTANCE }) },
      },
    },
    async (request) => {
      const row = await ownInstance(database, callerOf(request), request.params.name);
      const [view] = await withReplicas(deps.client, deps.log, [row]);
      if (!view) throw new AvkError('AVK_NOT_FOUND', `there is no instance ${row.name}`);
      return view;
    },
  );

  app.post(
    '/api/deployedApps/deployApp/',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'Deploys an instance of an app',
        description: `${description} With the header Idempotency-Key a repeated request gets the first one's answer.`,
        headers: z.object({ 'idempotency-key': z.string().min(1).max(200).optional() }),
        body: z.strictObject(deployShape),
        response: { 202: accepted },
      },
    },
    async (request, reply) => {
      const by = callerOf(request).name;
      const result = await instances.deploy(request.body, by, request.headers['idempotency-key']);
      return reply.status(202).send(result as z.infer<typeof accepted>);
    },
  );

  app.post(
    '/instances/request',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'Deploys base app NAME as instance NAME, for a bare `deploy app$NAME`',
        description: 'Called by the deployment manager. Repeating it is harmless.',
        body: z.strictObject({
          name: instanceName,
          requestId: z.string().min(1).max(200).meta({ example: REQUEST_ID }),
        }),
        response: { 202: accepted },
      },
    },
    async (request, reply) => {
      const result = await instances.deployRequested(request.body.name, request.body.requestId);
      return reply.status(202).send(result as z.infer<typeof accepted>);
    },
  );

  const command = (path: string, summary: string, act: (row: InstanceRow) => Promise<Accepted>): void => {
    app.post(
      path,
      {
        config: { access: 'user' },
        schema: {
          tags,
          summary,
          description: `${description} Repeating it is harmless.`,
          body: z.strictObject({ instanceName }),
          response: { 202: accepted },
        },
      },
      async (request, reply) => {
        const row = await ownInstance(database, callerOf(request), request.body.instanceName);
        return reply.status(202).send((await act(row)) as z.infer<typeof accepted>);
      },
    );
  };
  command('/api/deployedApps/stopApp/', 'Stops an instance', (row) => instances.stop(row));
  command('/api/deployedApps/cancel/', 'Gives up a deployment under way', (row) => instances.cancel(row));

  app.post(
    '/api/deployedApps/scale/',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'Sets how few and how many replicas an instance may have',
        description: `${description} \`replicas\` sets both. Repeating it is harmless.`,
        body: z
          .strictObject({
            instanceName,
            min: count.optional(),
            max: count.optional(),
            replicas: count.optional(),
          })
          .refine((body) => body.min !== undefined || body.max !== undefined || body.replicas !== undefined, {
            message: 'expected min, max or replicas',
          })
          .refine((body) => body.replicas === undefined || (body.min === undefined && body.max === undefined), {
            path: ['replicas'],
            message: 'expected either replicas or min and max',
          })
          .meta({ example: { instanceName: INSTANCE.instanceName, min: 2, max: 5 } }),
        response: { 202: accepted },
      },
    },
    async (request, reply) => {
      const { instanceName, ...wanted } = request.body;
      const row = await ownInstance(database, callerOf(request), instanceName);
      return reply.status(202).send((await instances.scale(row, wanted)) as z.infer<typeof accepted>);
    },
  );
}
