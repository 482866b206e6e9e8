import type { HttpApp } from '../../kernel/http/app.ts';
import type { Database } from '../../ports/database.ts';
import type { Machines } from '../../ports/machines.ts';
import {
  appDetails,
  appDetailsSchema,
  appHealth,
  appHealthSchema,
  hostedApps,
  nginxPortSchema,
  type Registered,
  registered,
  vmDetailsSchema,
} from './documents.ts';
import type { FleetFollower } from './fleet-follower.ts';
import { freeHostPort } from './host-ports.ts';
import { nextPublicPort } from './registrar.ts';
import type { LoadBalancerTables } from './store.ts';

export interface DocumentRouteDeps {
  database: Database<LoadBalancerTables>;
  fleet: Pick<FleetFollower, 'usage'>;
  machines: Machines;
  firstPort: number;
}

/** `/VmDetails`, `/AppDetails`, `/AppHealth` and `/NginxPort`. */
export function documentRoutes(app: HttpApp, deps: DocumentRouteDeps): void {
  const tags = ['documents'];
  const callers = "Called by operators and by the starting document's programs.";
  const { read } = deps.database;

  async function all(): Promise<Registered[]> {
    // What is being removed is not registered any more.
    const apps = await read.selectFrom('apps').selectAll().where('state', '=', 'live').orderBy('name').execute();
    return registered(apps, await read.selectFrom('replicas').selectAll().execute());
  }

  app.get(
    '/VmDetails',
    {
      config: { access: 'admin', legacy: true },
      schema: {
        tags,
        summary: 'VmDetails.json: the machines, what is on each, and its next free port',
        description: `The key's path, never the key. ${callers}`,
        response: { 200: vmDetailsSchema },
      },
    },
    async () => {
      const apps = await all();
      const machines = deps.machines.list();
      const free = await Promise.all(machines.map(({ host, ports }) => freeHostPort(read, host.name, ports)));
      return machines.map(({ host: { name, address }, login }, index) => ({
        vm_name: name,
        vm_ip: address,
        vm_username: login.username,
        vm_key_path: login.keyPath,
        vm_service_path: login.servicePath,
        latestAvailablePort: free[index] ?? 0,
        hosted_apps: hostedApps(apps, name),
      }));
    },
  );

  app.get(
    '/AppDetails',
    {
      config: { access: 'admin', legacy: true },
      schema: {
        tags,
        summary: 'AppDetails.json: what is registered, where it runs and at which ports',
        description: `hostVms, hostPorts and containerIds go together, one entry per replica. ${callers}`,
        response: { 200: appDetailsSchema },
      },
    },
    async () => appDetails(await all()),
  );

  app.get(
    '/AppHealth',
    {
      config: { access: 'admin', legacy: true },
      schema: {
        tags,
        summary: 'AppHealth.json: a sentence about every container',
        description: `Healthy: below the thresholds of its app (75 % RAM and 80 % CPU by default) and answering its health check. A figure that is not known is 0. ${callers}`,
        response: { 200: appHealthSchema },
      },
    },
    async () => appHealth(await all(), (id) => deps.fleet.usage(id)),
  );

  app.get(
    '/NginxPort',
    {
      config: { access: 'admin', legacy: true },
      schema: {
        tags,
        summary: 'NginxPort.json: the public port that the next app gets',
        description: callers,
        response: { 200: nginxPortSchema },
      },
    },
    async () => [{ id: 'default', latestAvailablePort: (await nextPublicPort(read, deps.firstPort)) ?? 0 }],
  );
}
