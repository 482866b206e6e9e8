import { PassThrough } from 'node:stream';
import { z } from 'zod';
import { AvkError } from '../../domain/errors.ts';
import { resourcesSchema } from '../../domain/manifest.ts';
import { NODE_ROLES, type NodeRole } from '../../domain/node.ts';
import { scoreNode } from '../../domain/placement.ts';
import { halves } from '../../domain/ports.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import { NDJSON, ndjson } from '../../kernel/http/stream.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Machines } from '../../ports/machines.ts';
import type { Fleet } from './fleet.ts';
import { chooseNode } from './placement.ts';
import { type NodeManagerTables, nextPort } from './store.ts';

const legacyNode = z.object({
  name: z.string().meta({ example: 'node1' }),
  'CPU Usage': z.number().meta({ example: 12.5 }),
  'Memory Usage': z.number().meta({ example: 41.2 }),
  'Disk Usage': z.number().meta({ example: 63 }),
  Health: z.string().meta({ example: 'ready' }),
});

const nodeSchema = z
  .looseObject({
    name: z.string(),
    address: z.string(),
    state: z.string(),
    role: z.enum(NODE_ROLES),
    cpuPercent: z.number(),
    memoryPercent: z.number(),
    diskPercent: z.number(),
    score: z.number(),
    replicas: z.number(),
    lastSeen: z.string().nullable(),
  })
  .meta({
    example: {
      name: 'node1',
      address: '127.0.0.1',
      state: 'ready',
      role: 'pretended' as const,
      cpuPercent: 12.5,
      memoryPercent: 41.2,
      diskPercent: 63,
      score: 69.5,
      replicas: 1,
      lastSeen: '2026-11-22T08:00:00.000Z',
    },
  });

const EXAMPLE_CHOICE = {
  node_name: 'node1',
  node_ip: '127.0.0.1',
  port: 20_000,
  reason: 'node1 is the only machine: CPU 12 %, memory 41 %, disk 63 %, score 69.8',
};
const EXAMPLE_VIEW =
  '{"at":1795334400000,"nodes":[{"name":"node1","state":"ready","cpuPercent":12.5}],"replicas":[]}\n';

export interface RouteDeps {
  fleet: Fleet;
  database: Database<NodeManagerTables>;
  clock: Clock;
  machines: Machines;
  roleOf: (name: string) => NodeRole;
}

export function routes(app: HttpApp, deps: RouteDeps): void {
  const tags = ['nodes'];
  const { fleet } = deps;

  app.get(
    '/nodemgr/get-deploy-node',
    {
      config: { access: 'user', legacy: true },
      schema: {
        tags,
        summary: 'The machine that the next app would go to',
        description: "Asks only: no port is reserved. Called by operators and by the starting document's programs.",
        response: {
          200: z
            .object({ node_name: z.string(), node_ip: z.string(), port: z.number(), reason: z.string() })
            .meta({ example: EXAMPLE_CHOICE }),
        },
      },
    },
    async () => {
      const chosen = chooseNode(fleet, resourcesSchema.parse({}));
      if (chosen.node === null) throw new AvkError('AVK_NO_NODE', chosen.reason);
      const { name, address } = chosen.node;
      const range = halves(deps.machines.get(name).ports).firstReplicas;
      const held = fleet.heldPorts(name);
      const port = await nextPort(deps.database.read, { node: name, range, held, now: deps.clock.now() });
      if (port === null) throw new AvkError('AVK_NO_PORT', `no port is free on ${name}`);
      return { node_name: name, node_ip: address, port, reason: chosen.reason };
    },
  );

  app.get(
    '/nodemgr/get-all-nodes-health',
    {
      config: { access: 'user', legacy: true },
      schema: {
        tags,
        summary: 'Health of every machine',
        description: "Figures in percent. Called by operators and by the starting document's programs.",
        response: { 200: z.array(legacyNode) },
      },
    },
    async () =>
      fleet.view().nodes.map((node) => ({
        name: node.name,
        'CPU Usage': node.cpuPercent,
        'Memory Usage': node.memoryPercent,
        'Disk Usage': node.diskPercent,
        Health: node.state,
      })),
  );

  app.get(
    '/nodes',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'Every machine with its state and score',
        description:
          'Called by the application manager. A machine whose containers cannot be managed counts as one that does not answer; `reason` says why.',
        response: { 200: z.object({ nodes: z.array(nodeSchema) }) },
      },
    },
    async () => ({
      nodes: fleet.view().nodes.map((node) => ({
        name: node.name,
        address: node.address,
        state: node.state,
        role: deps.roleOf(node.name),
        cpuPercent: node.cpuPercent,
        memoryPercent: node.memoryPercent,
        diskPercent: node.diskPercent,
        score: Math.round(scoreNode(node) * 10) / 10,
        replicas: node.replicas,
        lastSeen: node.lastSeen === null ? null : new Date(node.lastSeen).toISOString(),
        ...(node.reason === null ? {} : { reason: node.reason }),
      })),
    }),
  );

  app.get(
    '/nodes/stream',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'The whole fleet after every sample, as newline-delimited JSON',
        description: 'Called by the load balancer, which follows it.',
        produces: [NDJSON],
        response: { 200: z.string().meta({ example: EXAMPLE_VIEW }) },
      },
    },
    async (request, reply) => {
      const stream = new PassThrough();
      const push = (): void => {
        // A reader that does not keep up gets the next view instead of a queue of old ones.
        if (stream.readableLength === 0) stream.write(`${JSON.stringify(fleet.view())}\n`);
      };
      const stop = fleet.onSample(push);
      stream.on('close', stop);
      request.raw.on('close', () => stream.destroy());
      push();
      return ndjson(reply, stream) as never;
    },
  );
}
