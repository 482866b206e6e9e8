import { z } from 'zod';
import { scaleSchema } from '../../domain/manifest.ts';
import { type AppRow, type ReplicaRow, specOf } from './store.ts';

/*
 * The load balancer's four documents, as the starting document's `VmDetails.json`, `AppDetails.json`, `AppHealth.json`
 * and `NginxPort.json` show them. They are views of the tables and of the last samples: nothing reads them back.
 */

export const vmDetailsSchema = z.array(
  z.object({
    vm_name: z.string().meta({ example: 'node1' }),
    vm_ip: z.string().meta({ example: '127.0.0.1' }),
    vm_username: z.string().meta({ example: 'azureuser' }),
    vm_key_path: z.string().meta({ description: 'Empty where none is needed', example: '' }),
    vm_service_path: z.string().meta({ example: '/home/azureuser/Services' }),
    latestAvailablePort: z
      .int()
      .meta({ description: 'What the next further replica there gets; 0: none is left', example: 25_000 }),
    hosted_apps: z.array(z.string().meta({ example: 'room-comfort-1' })),
  }),
);

export const appDetailsSchema = z.array(
  z.object({
    appName: z.string().meta({ example: 'room-comfort-1' }),
    imageName: z.string().meta({ example: 'room-comfort:1.0.0-3f9a0c12d4e5' }),
    hostVm: z.string().meta({ description: "The first replica's machine", example: 'node1' }),
    hostVms: z.array(z.string().meta({ example: 'node1' })),
    instances: z.int().meta({ description: 'How many replicas have a container', example: 1 }),
    containerPort: z.int().meta({ example: 8050 }),
    hostPorts: z.array(z.int().meta({ example: 20_000 })),
    nginxPort: z.int().meta({ example: 2000 }),
    containerIds: z.array(z.string().meta({ example: 'process-4711' })),
  }),
);

export const appHealthSchema = z.array(
  z.object({
    appName: z.string().meta({ example: 'room-comfort-1' }),
    stats: z.array(
      z.string().meta({
        example: 'container - process-4711 is healthy; RAM utilizatoin = 12.5% ; CPU utilization = 3%',
      }),
    ),
  }),
);

export const nginxPortSchema = z.array(
  z.object({
    id: z.string().meta({ example: 'default' }),
    latestAvailablePort: z.int().meta({ description: '0: none is left', example: 2001 }),
  }),
);

/** An app that is registered, with its replicas that have a container, in the order of their numbers. */
export interface Registered {
  app: AppRow;
  replicas: (ReplicaRow & { container_id: string })[];
}

export function registered(apps: readonly AppRow[], replicas: readonly ReplicaRow[]): Registered[] {
  const own = Map.groupBy(replicas, (replica) => replica.app);
  return apps.map((app) => ({
    app,
    replicas: (own.get(app.name) ?? [])
      .flatMap((row) => (row.container_id === null ? [] : [{ ...row, container_id: row.container_id }]))
      .sort((a, b) => a.number - b.number),
  }));
}

export function appDetails(all: readonly Registered[]): z.infer<typeof appDetailsSchema> {
  return all.map(({ app, replicas }) => ({
    appName: app.name,
    imageName: app.image,
    hostVm: replicas[0]?.node ?? '',
    hostVms: replicas.map(({ node }) => node),
    instances: replicas.length,
    containerPort: app.container_port,
    hostPorts: replicas.map(({ host_port }) => host_port),
    nginxPort: app.public_port,
    containerIds: replicas.map(({ container_id }) => container_id),
  }));
}

type Usage = { cpuPercent: number; memoryPercent: number } | null;

export function appHealth(
  all: readonly Registered[],
  usageOf: (replicaId: string) => Usage,
): z.infer<typeof appHealthSchema> {
  return all.map(({ app, replicas }) => {
    // What was registered by a container alone has the starting document's thresholds, which are the defaults.
    const threshold = specOf(app)?.scale ?? scaleSchema.parse({});
    return {
      appName: app.name,
      stats: replicas.map(({ id, container_id, state }) => {
        const usage = usageOf(id) ?? { cpuPercent: 0, memoryPercent: 0 };
        const below = usage.memoryPercent < threshold.memoryPercent && usage.cpuPercent < threshold.cpuPercent;
        const health = below && state === 'healthy' ? 'healthy' : 'unhealthy';
        return `container - ${container_id} is ${health}; RAM utilizatoin = ${percent(usage.memoryPercent)}% ; CPU utilization = ${percent(usage.cpuPercent)}%`;
      }),
    };
  });
}

function percent(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Names of the apps that have a container on the machine. */
export function hostedApps(all: readonly Registered[], node: string): string[] {
  return all.flatMap(({ app, replicas }) => (replicas.some((replica) => replica.node === node) ? [app.name] : []));
}
