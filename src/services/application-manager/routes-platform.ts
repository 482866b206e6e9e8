import { z } from 'zod';
import { NODE_STATES } from '../../domain/node.ts';
import type { Events } from '../../kernel/events.ts';
import { callerOf, type HttpApp } from '../../kernel/http/app.ts';
import { sendEvents } from '../../kernel/http/stream.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ServiceRegistry } from '../../ports/service-registry.ts';
import { maySee } from './access.ts';
import type { LiveEvent } from './timeline.ts';

export interface PlatformRouteDeps {
  client: ServiceClient;
  clock: Clock;
  events: Events<LiveEvent>;
  registry: ServiceRegistry;
  startedAt: number;
}

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

/** What the application manager relays to the other services, as the one door for the front end. */
export function platformRoutes(app: HttpApp, deps: PlatformRouteDeps): void {
  const description = 'Called by the front end and the CLI.';

  app.get(
    '/api/nodes/',
    {
      config: { access: 'user' },
      schema: {
        tags: ['nodes'],
        summary: 'All machines',
        description,
        response: { 200: z.object({ nodes: z.array(node) }) },
      },
    },
    async () => (await deps.client.call('node-manager', 'GET', '/nodes')) as { nodes: z.infer<typeof node>[] },
  );

  app.get(
    '/api/platform/status/',
    {
      config: { access: 'user' },
      schema: {
        tags: ['platform'],
        summary: 'What runs and where',
        description,
        response: {
          200: z.object({
            status: z.enum(['running', 'starting', 'stopping', 'stopped', 'degraded']),
            since: z.string(),
            services: z.array(
              z.object({ name: z.string(), state: z.string(), address: z.string(), direct: z.string() }),
            ),
          }),
        },
      },
    },
    async () => {
      const services = await deps.registry.list('service');
      return {
        status: 'running' as const,
        since: new Date(deps.startedAt).toISOString(),
        services: services.map(({ name, address, direct }) => ({
          name,
          state: 'running',
          address: `${address.ip}:${address.port}`,
          direct: direct.map(({ ip, port }) => `${ip}:${port}`).join(', '),
        })),
      };
    },
  );

  app.get(
    '/api/events/stream',
    {
      config: { access: 'user' },
      schema: { tags: ['platform'], summary: 'All news as server-sent events', description },
    },
    async (request, reply) => {
      const principal = callerOf(request);
      return sendEvents(reply, deps.clock, (send) =>
        deps.events.subscribe(({ owner, ...event }) => {
          if (maySee(principal, owner)) send({ event: event.type, data: event });
        }),
      );
    },
  );
}
