import { z } from 'zod';
import { checkSchema } from '../../domain/check.ts';
import { NODE_ROLES, NODE_STATES } from '../../domain/node.ts';
import { vmEntrySchema } from '../../domain/service-entry.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import { LOOKED, MACHINE, NODE } from './examples.ts';

/** A machine that does not answer takes its time to say so, several times over. */
const CHECK_DEADLINE_MS = 25_000;

const node = z.object({
  name: z.string(),
  address: z.string(),
  state: z.enum(NODE_STATES),
  role: z.enum(NODE_ROLES),
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

  const machine = vmEntrySchema.meta({ example: MACHINE });
  const looked = z.object({ name: z.string(), checks: z.array(checkSchema) }).meta({ example: LOOKED });
  type Looked = z.infer<typeof looked>;
  const ofOne = 'Not on an embedded platform, which pretends its machines (422).';

  app.post(
    '/api/nodes/',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Takes a machine in, if it lacks nothing',
        description: `${description} In the shape of vm-details.json. What it lacks is in the error, one by one, each with what to do. ${ofOne}`,
        body: machine,
        response: { 201: looked },
      },
    },
    async (request, reply) => {
      const options = { body: request.body, deadlineMs: CHECK_DEADLINE_MS };
      return reply.status(201).send((await deps.client.call('node-manager', 'POST', '/machines', options)) as Looked);
    },
  );
  app.post(
    '/api/nodes/check/',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Says what a machine lacks before it can be taken in',
        description: `${description} ${ofOne}`,
        body: machine,
        response: { 200: looked },
      },
    },
    async (request) => {
      const options = { body: request.body, deadlineMs: CHECK_DEADLINE_MS };
      return (await deps.client.call('node-manager', 'POST', '/machines/check', options)) as Looked;
    },
  );
  app.get(
    '/api/nodes/:name/check/',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Says what a machine of the platform lacks',
        description,
        params,
        response: { 200: looked },
      },
    },
    async (request) => {
      const where = `/machines/${encodeURIComponent(request.params.name)}/check`;
      return (await deps.client.call('node-manager', 'GET', where, { deadlineMs: CHECK_DEADLINE_MS })) as Looked;
    },
  );
  app.delete(
    '/api/nodes/:name',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Lets go of a machine that is empty, or lost for good',
        description: `${description} Replicas that were on a lost one are elsewhere, or come up elsewhere.`,
        params,
        response: { 200: z.object({ name: z.string() }).meta({ example: { name: 'VM4' } }) },
      },
    },
    async (request) => {
      await deps.client.call('node-manager', 'DELETE', `/machines/${encodeURIComponent(request.params.name)}`);
      return { name: request.params.name };
    },
  );
}
