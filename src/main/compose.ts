import type { Migration } from 'kysely/migration';
import { Registry } from 'prom-client';
import { processMetrics } from '../adapters/metrics/process.ts';
import { createInProcessServices, type Program } from '../adapters/service-runtime/in-process.ts';
import { createInProcessTransport } from '../adapters/service-transport/in-process.ts';
import type { Inventory } from '../domain/service-entry.ts';
import { createServiceToken, createTokens } from '../kernel/auth.ts';
import { createHttpApp, type HttpApp } from '../kernel/http/app.ts';
import type { Metrics } from '../kernel/metrics.ts';
import type { ReplicaDeps } from '../kernel/replica.ts';
import { createSecretBox } from '../kernel/secret-box.ts';
import { entryName, SERVICES, type Service, type ServiceName, TITLES } from '../kernel/service.ts';
import { createServiceClient, type ServiceClient } from '../kernel/service-client.ts';
import type { Database } from '../ports/database.ts';
import type { Log } from '../ports/log.ts';
import type { ServiceRuntime } from '../ports/service-runtime.ts';
import { createApplicationManager } from '../services/application-manager/service.ts';
import { type ApplicationManagerTables, migrations as appTables } from '../services/application-manager/store.ts';
import { type Authenticator, createAuthenticator } from '../services/authenticator/service.ts';
import { type AuthenticatorTables, migrations as userTables } from '../services/authenticator/store.ts';
import { createDeploymentManager } from '../services/deployment-manager/service.ts';
import { type DeploymentManagerTables, migrations as deployTables } from '../services/deployment-manager/store.ts';
import { createFaultMonitor } from '../services/fault-monitor/service.ts';
import { type FaultMonitorTables, migrations as monitorTables } from '../services/fault-monitor/store.ts';
import { createLoadBalancer } from '../services/load-balancer/service.ts';
import { migrations as balanceTables, type LoadBalancerTables } from '../services/load-balancer/store.ts';
import { createNodeManager } from '../services/node-manager/service.ts';
import { type NodeManagerTables, migrations as nodeTables } from '../services/node-manager/store.ts';
import { createPlatformInitializer, type PlatformInitializer } from '../services/platform-initializer/service.ts';
import { type InitializerTables, migrations as initializerTables } from '../services/platform-initializer/store.ts';
import { createScheduler } from '../services/scheduler/service.ts';
import { type SchedulerTables, migrations as scheduleTables } from '../services/scheduler/store.ts';
import { createSensorManager } from '../services/sensor-manager/service.ts';
import { createAccess } from './access.ts';
import { ownAddress, publicAddress } from './addresses.ts';
import { createBackup } from './backup.ts';
import { type Config, uploadLimits } from './config.ts';
import { examine } from './doctor.ts';
import { documentation } from './documentation.ts';
import type { Engines, Hooks } from './engines.ts';
import { frontEnd } from './front-end.ts';
import type { Home } from './home.ts';
import { embeddedInventory } from './inventory.ts';
import { createProgram, type OpenedService } from './programs.ts';
import { VERSION } from './version.ts';

/** The services of one process: how each is made, and what runs them. */
export interface Composition {
  runtime: ServiceRuntime;
  inventory: () => Promise<Inventory>;
  /** The present run of a service; undefined while it does not run. */
  running(service: 'authenticator'): Authenticator | undefined;
  running(service: 'platform-initializer'): PlatformInitializer | undefined;
  running(service: ServiceName): Service | undefined;
  /** Acts in the platform's own name. */
  client: ServiceClient;
  /** Lets the holder act as user `admin` for ten minutes. */
  adminToken(): Promise<string>;
}

const DESCRIPTIONS: Partial<Record<ServiceName, string>> = {
  'application-manager': 'The one door: apps, instances, machines, users. Every other service is behind it.',
  'deployment-manager': 'Brings an instance to its first running replica, and back.',
  'node-manager': 'The machines: health, history, the best one for the next app.',
  'load-balancer': 'Public ports, routes and replicas of everything that is registered.',
  'platform-initializer': "The platform's own services: started, kept running, stopped.",
  scheduler: 'When instances start and end.',
  'sensor-manager': 'Sensors and what they read. So far the routes that every service has.',
  'fault-monitor': 'How well each service is, and was.',
  authenticator: 'Users, their sessions and tokens, and the audit log.',
};

/** What every service gets. */
interface Basics {
  http: HttpApp;
  log: Log;
  client: ServiceClient;
  metrics: Metrics;
}

/**
 * On top of a build's own time: the machine that builds ends it first, which may take a while, as it knows the last lines.
 */
const BUILD_MARGIN_MS = 60_000;
/** The user that the authenticator makes at the first start. */
const FIRST_ADMIN = 'admin';
const ADMIN_TOKEN_SECONDS = 600;

/** Wires the services of one process: explicit arguments, no container, nothing hidden. */
export async function compose(config: Config, home: Home, engines: Engines, hooks: Hooks): Promise<Composition> {
  const { clock, random, bus, registry, blobs, bundles, proxy, databases } = engines;
  const tokens = await createTokens(home.tokenKey, clock);
  const secrets = createSecretBox(home.secretKeys, random);
  const transport = createInProcessTransport(clock);
  const metrics: Metrics = new Registry();
  processMetrics(metrics);
  const clientOf = (service: ServiceName): ServiceClient =>
    createServiceClient(transport, createServiceToken(tokens, service, clock));
  const { log } = engines.logOf('application-manager');
  const access = createAccess({ config, tokens, clock, metrics, log, clientOf });
  const { machines } = engines;
  const onJournal = hooks.onJournal ? { onJournal: hooks.onJournal } : {};
  const buildDeadlineMs = config.buildSeconds * 1000 + BUILD_MARGIN_MS;
  const inventory = await embeddedInventory(
    home,
    (service) => portOf(service, config),
    // In one process with the platform they are wherever that is, not on the machines of apps.
    engines.balancer === null
      ? machines.list().map(({ host }) => ({ name: host.name, address: host.address }))
      : [{ name: 'controller', address: ownAddress(config) }],
  );
  const present = new Map<ServiceName, Service>();

  async function basics(service: ServiceName): Promise<Basics> {
    const { log, recent } = engines.logOf(service);
    const http = await createHttpApp({
      title: TITLES[service],
      version: VERSION,
      description: DESCRIPTIONS[service] ?? '',
      tokens,
      ...access.optionsFor(service),
      log,
      recentLogLines: recent,
      metrics,
      service,
    });
    if (service === 'application-manager') {
      await documentation(http);
      await frontEnd(http);
    }
    return { http, log, client: clientOf(service), metrics };
  }

  const replica = (node: string): ReplicaDeps => ({ runtime: machines.get(node).runtime, blobs, secrets, clock });

  /** A service with tables of its own, opened for this run of it. */
  async function withTables<Tables>(
    name: ServiceName,
    migrations: Record<string, Migration>,
    create: (basics: Basics, database: Database<Tables>) => Service | Promise<Service>,
  ): Promise<OpenedService> {
    const database = await databases.open<Tables>(name, migrations);
    try {
      return { service: await create(await basics(name), database), close: () => database.close() };
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  const open: Record<ServiceName, () => Promise<OpenedService>> = {
    authenticator: () =>
      withTables<AuthenticatorTables>('authenticator', userTables, (own, database) =>
        createAuthenticator({ ...own, database, tokens, clock, random, trail: access.trail }),
      ),
    'node-manager': () =>
      withTables<NodeManagerTables>('node-manager', nodeTables, (own, database) =>
        createNodeManager({
          ...own,
          database,
          bus,
          clock,
          machines,
          configured: config.vms,
          balancer: engines.balancer ?? undefined,
        }),
      ),
    'load-balancer': () =>
      withTables<LoadBalancerTables>('load-balancer', balanceTables, (own, database) =>
        createLoadBalancer({
          ...own,
          database,
          bus,
          registry,
          proxy,
          clock,
          random,
          machines,
          replica,
          publicAddress: engines.publicAddress,
          firstPort: config.firstPort,
          buildDeadlineMs,
          placement: config.placement.replicas,
        }),
      ),
    'deployment-manager': () =>
      withTables<DeploymentManagerTables>('deployment-manager', deployTables, (own, database) =>
        createDeploymentManager({ ...own, database, bus, clock, random, replica, buildDeadlineMs, ...onJournal }),
      ),
    'application-manager': () =>
      withTables<ApplicationManagerTables>('application-manager', appTables, (own, database) =>
        createApplicationManager({
          ...own,
          database,
          bus,
          blobs,
          bundles,
          secrets,
          clock,
          random,
          limits: uploadLimits(config),
          keepVersions: config.keepVersions,
          openRegistration: config.openRegistration,
          runtimes: [...new Set(machines.list().flatMap((machine) => machine.runtime.runtimes))],
          backup: () => createBackup({ home, clock, random }),
          // Apps are built by tools of this machine's only where machines are pretended.
          examine: () => examine(config.home, engines.balancer ? null : (machines.list()[0]?.host ?? null), clock),
          ...onJournal,
        }),
      ),
    scheduler: () =>
      withTables<SchedulerTables>('scheduler', scheduleTables, (own, database) =>
        createScheduler({ ...own, database, bus, clock, ...onJournal }),
      ),
    'platform-initializer': () =>
      withTables<InitializerTables>('platform-initializer', initializerTables, (own, database) =>
        createPlatformInitializer({
          ...own,
          database,
          bus,
          registry,
          runtime,
          clock,
          random,
          inventory,
          ...onJournal,
        }),
      ),
    'fault-monitor': () =>
      withTables<FaultMonitorTables>('fault-monitor', monitorTables, (own, database) =>
        createFaultMonitor({ ...own, database, registry, clock }),
      ),
    'sensor-manager': async () => ({
      service: createSensorManager(await basics('sensor-manager')),
      close: async () => undefined,
    }),
  };

  const program = (name: ServiceName) => (): Program =>
    createProgram({
      open: open[name],
      host: config.host,
      port: portOf(name, config),
      publicIp: publicAddress(config),
      onUp(service) {
        present.set(name, service);
        transport.add(name, service.http);
      },
      onDown(service) {
        // Its successor may be there already.
        if (present.get(name) !== service) return;
        present.delete(name);
        transport.remove(name);
      },
    });
  const runtime = createInProcessServices(
    Object.fromEntries(SERVICES.map((name) => [entryName(name), program(name)])),
    random,
  );

  return {
    runtime,
    inventory,
    running: ((name: ServiceName) => present.get(name)) as Composition['running'],
    client: createServiceClient(transport, createServiceToken(tokens, 'platform', clock)),
    async adminToken() {
      return (await tokens.issue({ kind: 'user', name: FIRST_ADMIN, role: 'admin' }, ADMIN_TOKEN_SECONDS)).token;
    },
  };
}

/** The port of a service: PORT for the application manager, then PORT+1 … in the order of the starting document. */
export function portOf(service: ServiceName, config: Config): number {
  return config.port === 0 ? 0 : config.port + SERVICES.indexOf(service);
}
