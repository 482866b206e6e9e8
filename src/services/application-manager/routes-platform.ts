import { z } from 'zod';
import { ROLES } from '../../kernel/auth.ts';
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

/** What the application manager relays to the other services, as the one door for the front end. */
export function platformRoutes(app: HttpApp, deps: PlatformRouteDeps): void {
  const description = 'Called by the front end and the CLI.';

  app.post(
    '/api/auth/login/',
    {
      config: { access: 'open' },
      schema: {
        tags: ['users'],
        summary: 'Signs in; the token goes into the header Authorization: Bearer TOKEN',
        description,
        body: z.strictObject({ username: z.string().min(1).max(63), password: z.string().min(1).max(1000) }),
        response: { 200: z.object({ token: z.string(), role: z.enum(ROLES), expiresAt: z.string() }) },
      },
    },
    async (request) => {
      const body = { ...request.body, from: request.ip };
      return (await deps.client.call('authenticator', 'POST', '/login', { body })) as {
        token: string;
        role: (typeof ROLES)[number];
        expiresAt: string;
      };
    },
  );

  app.post(
    '/api/auth/register/',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['users'],
        summary: 'Adds a user',
        description,
        body: z.strictObject({
          username: z
            .string()
            .regex(/^[A-Za-z][A-Za-z0-9._-]{0,62}$/, 'expected a letter, then letters, digits, . _ -'),
          password: z.string().min(8).max(1000),
          role: z.enum(ROLES).default('user'),
        }),
        response: { 201: z.object({ username: z.string(), role: z.enum(ROLES) }) },
      },
    },
    async (request, reply) => {
      await deps.client.call('authenticator', 'POST', '/users', { body: request.body });
      return reply.status(201).send({ username: request.body.username, role: request.body.role });
    },
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
