import { z } from 'zod';
import type { Events } from '../../kernel/events.ts';
import { callerOf, type HttpApp } from '../../kernel/http/app.ts';
import { EVENT_STREAM, sendEvents } from '../../kernel/http/stream.ts';
import { SERVICES } from '../../kernel/service.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Clock } from '../../ports/clock.ts';
import { maySee } from './access.ts';
import type { LiveFigures } from './live-figures.ts';
import type { PlatformGate } from './platform-gate.ts';
import { type PlatformStatus, platformStatusSchema } from './platform-status.ts';
import type { StatusFollower } from './status-follower.ts';
import type { LiveEvent } from './timeline.ts';

export interface PlatformRouteDeps {
  client: ServiceClient;
  clock: Clock;
  events: Events<LiveEvent>;
  gate: PlatformGate;
  status: () => Promise<PlatformStatus>;
  statusFollower: StatusFollower;
  figures: LiveFigures;
}

const EXAMPLE_ID = '5f0c6b8e-1d57-4a0b-9a52-6a1a0c0a5f11';
const EXAMPLE_CHECK = { service: 'scheduler', at: '2026-11-22T08:00:00.000Z', healthy: true, latencyMs: 1.2 };
const EXAMPLE_STATUS = {
  status: 'running',
  since: '2026-11-22T07:00:00.000Z',
  services: [
    {
      name: 'scheduler',
      state: 'running',
      node: 'node1',
      address: '127.0.0.1:8015',
      direct: '127.0.0.1:8015',
      health: 'ok',
      lastSeen: '2026-11-22T08:00:00.000Z',
      lastChange: '2026-11-22T07:00:00.000Z',
      restarts: 0,
    },
  ],
} as const;

const check = z.object({
  service: z.string(),
  at: z.string(),
  healthy: z.boolean(),
  latencyMs: z.number(),
  reason: z.string().optional(),
});

/** What the application manager relays to the other services, as the one door for the front end. */
export function platformRoutes(app: HttpApp, deps: PlatformRouteDeps): void {
  const description = 'Called by the front end and the CLI.';

  app.get(
    '/api/platform/status/',
    {
      config: { access: 'user' },
      schema: {
        tags: ['platform'],
        summary: 'What runs and where, and how well',
        description,
        response: { 200: platformStatusSchema.meta({ example: EXAMPLE_STATUS }) },
      },
    },
    () => deps.status(),
  );

  for (const verb of ['start', 'stop'] as const) {
    app.post(
      `/api/platform/${verb}/`,
      {
        config: { access: 'admin' },
        schema: {
          tags: ['platform'],
          summary: verb === 'start' ? 'Starts the platform’s services' : 'Stops the platform’s services; apps go on',
          description: `By topic Bootstrapper; the status tells when it is done. Repeating it is harmless. ${description}`,
          response: {
            202: z.object({ requestId: z.string() }).meta({ example: { requestId: EXAMPLE_ID } }),
          },
        },
      },
      async (_request, reply) => reply.status(202).send(await deps.gate.toggle(verb)),
    );
  }

  app.get(
    '/api/platform/health/',
    {
      config: { access: 'user' },
      schema: {
        tags: ['platform'],
        summary: 'The health checks of the last day, newest first',
        description,
        querystring: z.object({
          service: z.enum(SERVICES).optional(),
          limit: z.coerce.number().int().min(1).max(1000).default(100),
        }),
        response: { 200: z.object({ checks: z.array(check) }).meta({ example: { checks: [EXAMPLE_CHECK] } }) },
      },
    },
    async (request) => {
      const { service, limit } = request.query;
      const query = new URLSearchParams({ limit: String(limit), ...(service ? { service } : {}) });
      return (await deps.client.call('fault-monitor', 'GET', `/checks?${query}`)) as {
        checks: z.infer<typeof check>[];
      };
    },
  );

  app.get(
    '/api/events/stream',
    {
      config: { access: 'user' },
      schema: {
        tags: ['platform'],
        summary: 'All news as server-sent events',
        description: `Events \`instance\`, \`schedule\`, \`catalogue\` and \`platform\` as they happen; \`nodes\` and \`usage\` about once a second. ${description}`,
        produces: [EVENT_STREAM],
        response: { 200: z.string().meta({ example: 'event: nodes\ndata: {"nodes":[]}\n\n' }) },
      },
    },
    async (request, reply) => {
      const principal = callerOf(request);
      return sendEvents(reply, deps.clock, (send) => {
        const leave = [
          deps.events.subscribe(({ owner, ...event }) => {
            if (owner === null || maySee(principal, owner)) send({ event: event.type, data: event });
          }),
          deps.statusFollower.follow((status) => send({ event: 'platform', data: status })),
          deps.figures.follow(principal, send),
        ];
        return () => {
          for (const stop of leave) stop();
        };
      }) as never;
    },
  );
}
