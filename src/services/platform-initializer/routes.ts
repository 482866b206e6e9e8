import { z } from 'zod';
import { PLATFORM_STATES, SERVICE_STATES } from '../../domain/service-plan.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import { entryName, serviceOf } from '../../kernel/service.ts';
import type { Database } from '../../ports/database.ts';
import type { ServiceRegistry } from '../../ports/service-registry.ts';
import { type InitializerTables, readPlatform, readServices } from './store.ts';

export interface RouteDeps {
  database: Database<InitializerTables>;
  registry: ServiceRegistry;
  /** Starts or stops the platform and waits until that is done. */
  toggle: (verb: 'start' | 'stop') => Promise<void>;
}

const EXAMPLE_STATUS = {
  timestamp: '2026-11-22T07:00:00.000Z',
  status: 'running' as const,
  reason: '',
  services: [
    {
      service_name: 'scheduler',
      folder_name: 'Scheduler',
      state: 'running',
      node: 'node1',
      address: '127.0.0.1:8015',
      direct: '127.0.0.1:8015',
      restarts: 0,
    },
  ],
};

const status = z.object({
  timestamp: z.string().meta({ description: 'Since when, RFC 3339' }),
  status: z.enum(PLATFORM_STATES),
  reason: z.string(),
  services: z.array(
    z.object({
      service_name: z.string(),
      folder_name: z.string(),
      state: z.enum(SERVICE_STATES),
      node: z.string(),
      address: z.string(),
      direct: z.string(),
      restarts: z.number(),
      reason: z.string().optional(),
    }),
  ),
});

/** The starting document's routes of the platform initializer. */
export function routes(app: HttpApp, deps: RouteDeps): void {
  const tags = ['platform'];
  const callers = "Called by operators and by the starting document's programs.";

  for (const verb of ['start', 'stop'] as const) {
    const summary = verb === 'start' ? 'Starts the platform’s services' : 'Stops the platform’s services';
    const acting = {
      config: { access: 'admin' as const, legacy: true },
      schema: {
        tags,
        summary,
        description: `Answers Success when it is done, or the error. Apps and their routes stay as they are. Repeating it is harmless. ${callers}`,
        produces: ['text/plain'],
        response: { 200: z.string().meta({ example: 'Success' }) },
      },
    };
    const act = async (): Promise<string> => {
      await deps.toggle(verb);
      return 'Success';
    };
    app.get(`/${verb}`, acting, act);
    app.post(`/${verb}`, acting, act);
  }

  app.get(
    '/status',
    {
      config: { access: 'user', legacy: true },
      schema: {
        tags,
        summary: 'How the platform is, and each of its services',
        description: `Called by the application manager. ${callers}`,
        response: { 200: status.meta({ example: EXAMPLE_STATUS }) },
      },
    },
    async () => {
      const platform = await readPlatform(deps.database.read);
      const services = await readServices(deps.database.read);
      return {
        timestamp: new Date(platform.since).toISOString(),
        status: platform.state as z.infer<typeof status>['status'],
        reason: platform.reason,
        services: services.map((row) => ({
          service_name: row.name,
          folder_name: row.folder,
          state: row.state,
          node: row.node,
          address: row.address,
          direct: row.direct,
          restarts: row.restarts,
          ...(row.reason ? { reason: row.reason } : {}),
        })),
      };
    },
  );

  app.get(
    '/all_services',
    {
      config: { access: 'user', legacy: true },
      schema: {
        tags,
        summary: 'Everything in the service registry',
        description: callers,
        response: {
          200: z
            .array(
              z.object({
                service_name: z.string(),
                ip: z.string(),
                port: z.number(),
                kind: z.enum(['service', 'app']),
              }),
            )
            .meta({ example: [{ service_name: 'load_balancer', ip: '127.0.0.1', port: 8014, kind: 'service' }] }),
        },
      },
    },
    async () =>
      (await deps.registry.list()).map(({ name, kind, address }) => {
        const service = kind === 'service' ? serviceName(name) : name;
        return { service_name: service, ip: address.ip, port: address.port, kind };
      }),
  );
}

/** As services.json calls it. */
function serviceName(name: string): string {
  const service = serviceOf(name.replaceAll('-', '_'));
  return service ? entryName(service) : name;
}
