import { networkInterfaces } from 'node:os';
import type { Migration } from 'kysely/migration';
import { Registry } from 'prom-client';
import { createInProcessTransport } from '../adapters/service-transport/in-process.ts';
import { AvkError } from '../domain/errors.ts';
import { createServiceToken, createTokens } from '../kernel/auth.ts';
import { createHttpApp, type HttpApp } from '../kernel/http/app.ts';
import type { ReplicaDeps } from '../kernel/replica.ts';
import { createSecretBox } from '../kernel/secret-box.ts';
import { SERVICES, type Service, type ServiceName, TITLES } from '../kernel/service.ts';
import { createServiceClient, type ServiceClient } from '../kernel/service-client.ts';
import type { Database } from '../ports/database.ts';
import type { Log } from '../ports/log.ts';
import { DEFAULT_LIMITS } from '../services/application-manager/catalogue.ts';
import { createApplicationManager } from '../services/application-manager/service.ts';
import { type ApplicationManagerTables, migrations as appTables } from '../services/application-manager/store.ts';
import { type Authenticator, createAuthenticator } from '../services/authenticator/service.ts';
import { type AuthenticatorTables, migrations as userTables } from '../services/authenticator/store.ts';
import { createDeploymentManager } from '../services/deployment-manager/service.ts';
import { type DeploymentManagerTables, migrations as deployTables } from '../services/deployment-manager/store.ts';
import { createLoadBalancer } from '../services/load-balancer/service.ts';
import { migrations as balanceTables, type LoadBalancerTables } from '../services/load-balancer/store.ts';
import { createNodeManager } from '../services/node-manager/service.ts';
import { type NodeManagerTables, migrations as nodeTables } from '../services/node-manager/store.ts';
import { createScheduler } from '../services/scheduler/service.ts';
import { type SchedulerTables, migrations as scheduleTables } from '../services/scheduler/store.ts';
import type { Config } from './config.ts';
import { documentation } from './documentation.ts';
import type { Engines, Hooks } from './engines.ts';
import type { Home } from './home.ts';
import { VERSION } from './version.ts';

/** All services of one process, wired, not started. */
export interface Composition {
  /** In the order to start them; to be stopped the other way round. */
  services: Service[];
  authenticator: Authenticator;
  /** Acts in the platform's own name. */
  client: ServiceClient;
  /** Lets the holder act as user `admin` for ten minutes. */
  adminToken(): Promise<string>;
  close(): Promise<void>;
}

const DESCRIPTIONS: Partial<Record<ServiceName, string>> = {
  'application-manager': 'The one door: apps, instances, machines, users. Every other service is behind it.',
  'deployment-manager': 'Brings an instance to its first running replica, and back.',
  'node-manager': 'The machines: health, history, the best one for the next app.',
  'load-balancer': 'Public ports, routes and replicas of everything that is registered.',
  scheduler: 'When instances start and end.',
  authenticator: 'Users and tokens.',
};

/** The user that the authenticator makes at the first start. */
const FIRST_ADMIN = 'admin';
const ADMIN_TOKEN_SECONDS = 600;

/** Wires the services of one process: explicit arguments, no container, nothing hidden. */
export async function compose(config: Config, home: Home, engines: Engines, hooks: Hooks): Promise<Composition> {
  const { clock, random, bus, registry, blobs, bundles, proxy, databases } = engines;
  const tokens = await createTokens(home.tokenKey, clock);
  const secrets = createSecretBox(home.secretKeys, random);
  const transport = createInProcessTransport(clock);
  const metrics = new Registry();
  const opened: Database<never>[] = [];
  const machines = new Map(engines.machines.map((machine) => [machine.host.name, machine]));
  const onJournal = hooks.onJournal ? { onJournal: hooks.onJournal } : {};
  const buildDeadlineMs = config.buildSeconds * 1000;

  async function open<Tables>(service: ServiceName, migrations: Record<string, Migration>): Promise<Database<Tables>> {
    const database = await databases.open<Tables>(service, migrations);
    opened.push(database as unknown as Database<never>);
    return database;
  }

  /** What every service gets. */
  async function basics(service: ServiceName): Promise<{ http: HttpApp; log: Log; client: ServiceClient }> {
    const { log, recent } = engines.logOf(service);
    const http = await createHttpApp({
      title: TITLES[service],
      version: VERSION,
      description: DESCRIPTIONS[service] ?? '',
      tokens,
      log,
      recentLogLines: recent,
      metrics,
    });
    if (service === 'application-manager') await documentation(http);
    transport.add(service, http);
    return { http, log, client: createServiceClient(transport, createServiceToken(tokens, service, clock)) };
  }

  function machineOf(name: string) {
    const machine = machines.get(name);
    if (!machine) throw new AvkError('AVK_HOST_UNREACHABLE', `the platform has no machine ${name}`);
    return machine;
  }
  const replica = (node: string): ReplicaDeps => ({ runtime: machineOf(node).runtime, blobs, secrets, clock });
  const ports = (node: string) => machineOf(node).ports;

  const authenticator = createAuthenticator({
    ...(await basics('authenticator')),
    database: await open<AuthenticatorTables>('authenticator', userTables),
    tokens,
    clock,
  });
  const nodeManager = createNodeManager({
    ...(await basics('node-manager')),
    database: await open<NodeManagerTables>('node-manager', nodeTables),
    bus,
    clock,
    machines: engines.machines,
    ports,
  });
  const loadBalancer = createLoadBalancer({
    ...(await basics('load-balancer')),
    database: await open<LoadBalancerTables>('load-balancer', balanceTables),
    bus,
    registry,
    proxy,
    clock,
    random,
    nodes: engines.machines.map(({ host }) => ({ name: host.name, address: host.address })),
    replica,
    ports,
    publicAddress: publicAddress(config),
    firstPort: config.firstPort,
    buildDeadlineMs,
  });
  const deploymentManager = createDeploymentManager({
    ...(await basics('deployment-manager')),
    database: await open<DeploymentManagerTables>('deployment-manager', deployTables),
    bus,
    clock,
    random,
    replica,
    buildDeadlineMs,
    ...onJournal,
  });
  const scheduler = createScheduler({
    ...(await basics('scheduler')),
    database: await open<SchedulerTables>('scheduler', scheduleTables),
    bus,
    clock,
    ...onJournal,
  });
  const applicationManager = await createApplicationManager({
    ...(await basics('application-manager')),
    database: await open<ApplicationManagerTables>('application-manager', appTables),
    bus,
    blobs,
    bundles,
    registry,
    secrets,
    clock,
    random,
    limits: DEFAULT_LIMITS,
    ...onJournal,
  });

  return {
    services: [authenticator, nodeManager, loadBalancer, deploymentManager, scheduler, applicationManager],
    authenticator,
    client: createServiceClient(transport, createServiceToken(tokens, 'platform', clock)),
    async adminToken() {
      return (await tokens.issue({ kind: 'user', name: FIRST_ADMIN, role: 'admin' }, ADMIN_TOKEN_SECONDS)).token;
    },
    async close() {
      for (const database of opened) await database.close();
    },
  };
}

/** Where users reach apps: the address served on; when that is all of them, the first that others can reach. */
export function publicAddress(config: Config): string {
  if (!servesAll(config)) return config.host;
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1';
}

/** Where this machine itself reaches the platform. */
export function ownAddress(config: Config): string {
  return servesAll(config) ? '127.0.0.1' : config.host;
}

function servesAll(config: Config): boolean {
  return ['0.0.0.0', '::'].includes(config.host);
}

/** The port of a service: PORT for the application manager, then PORT+1 … in the order of the starting document. */
export function portOf(service: ServiceName, config: Config): number {
  return config.port === 0 ? 0 : config.port + SERVICES.indexOf(service);
}
