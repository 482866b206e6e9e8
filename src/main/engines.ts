import { createFilesystemBlobs } from '../adapters/blob-store/filesystem.ts';
import { createZipBundleReader } from '../adapters/bundle-reader/zip.ts';
import { systemClock } from '../adapters/clock/system.ts';
import { createSqliteDatabases } from '../adapters/database/sqlite.ts';
import { createServiceLog, type ServiceLog } from '../adapters/log/pino.ts';
import { createSqliteBus } from '../adapters/message-bus/sqlite.ts';
import { systemRandom } from '../adapters/random/system.ts';
import { createSqliteRegistry } from '../adapters/service-registry/sqlite.ts';
import { messageOf } from '../domain/errors.ts';
import type { VmEntry } from '../domain/service-entry.ts';
import { withDeadline } from '../kernel/deadline.ts';
import type { BlobStore } from '../ports/blob-store.ts';
import type { BundleReader } from '../ports/bundle-reader.ts';
import type { Clock } from '../ports/clock.ts';
import type { Databases } from '../ports/database.ts';
import type { Log } from '../ports/log.ts';
import type { Machines } from '../ports/machines.ts';
import type { MessageBus } from '../ports/message-bus.ts';
import type { Random } from '../ports/random.ts';
import type { ReverseProxy } from '../ports/reverse-proxy.ts';
import type { ServiceRegistry } from '../ports/service-registry.ts';
import { type Roster, takeRoster } from '../services/node-manager/roster.ts';
import { migrations, type NodeManagerTables } from '../services/node-manager/store.ts';
import type { Config } from './config.ts';
import { embeddedMachines, type MachineEngines } from './embedded-machines.ts';
import type { Home } from './home.ts';

/** Everything the services stand on. */
export interface Engines {
  clock: Clock;
  random: Random;
  databases: Databases;
  bus: MessageBus;
  registry: ServiceRegistry;
  blobs: BlobStore;
  bundles: BundleReader;
  proxy: ReverseProxy;
  machines: Machines;
  /** Where users reach apps. */
  publicAddress: string;
  /** The machine that NGINX runs on, and where its files go; null where the proxy is in this process. */
  balancer: MachineEngines['balancer'];
  logOf(service: string): ServiceLog;
  close(): Promise<void>;
}

/** Less than what stopping has for all of this. */
const PROXY_END_MS = 15_000;

/** What tests put in the way of a platform that is otherwise the real one. */
export interface Hooks {
  onJournal?: (point: string) => void;
  abortAndRerun?: () => boolean;
}

/** What the platform stands on: SQLite and files below the home folder, and machines of the kind that the config asks for. */
export async function openEngines(config: Config, home: Home, hooks: Hooks): Promise<Engines> {
  const clock = systemClock;
  const random = systemRandom;
  const logs = new Map<string, ServiceLog>();
  const logOf = (service: string): ServiceLog => {
    const known = logs.get(service);
    if (known) return known;
    const created = createServiceLog({
      service,
      file: home.path('logs', `${service}_logs.log`),
      level: config.logLevel,
    });
    logs.set(service, created);
    return created;
  };
  const { log } = logOf('platform');

  const bus = createSqliteBus({
    path: home.path('state', 'bus.db'),
    clock,
    onFailure: (topic, offset, attempt, reason) =>
      log.warn({ topic, offset, attempt, reason }, 'a message was refused by its handler'),
  });
  const registry = createSqliteRegistry({
    path: home.path('state', 'registry.db'),
    clock,
    random,
    onError: (error) => log.error({ reason: messageOf(error) }, 'the registry could not be renewed'),
  });
  const blobs = await createFilesystemBlobs({ directory: home.path('blobs') });
  const databases = createSqliteDatabases({
    directory: home.path('state'),
    ...(hooks.abortAndRerun ? { abortAndRerun: hooks.abortAndRerun } : {}),
  });
  const { machines, proxy, publicAddress, balancer } = await machinesOf(config, { home, databases, clock, log });

  return {
    clock,
    random,
    databases,
    bus,
    registry,
    blobs,
    bundles: createZipBundleReader({ directory: home.path('uploads') }),
    proxy,
    machines,
    publicAddress,
    balancer,
    logOf,
    async close() {
      // It writes down what it was only told; a machine that hangs is not to keep the rest from ending.
      await withDeadline(clock, PROXY_END_MS, 'closing the proxy', () => proxy.close()).catch((error) =>
        log.warn({ reason: messageOf(error) }, 'the proxy was not closed in time'),
      );
      await Promise.all(machines.list().map(({ host }) => machines.remove(host.name)));
      await bus.close();
      await registry.close();
      for (const { close } of logs.values()) close();
    },
  };
}

async function machinesOf(
  config: Config,
  { home, databases, clock, log }: { home: Home; databases: Databases; clock: Clock; log: Log },
): Promise<MachineEngines> {
  const { vms, loadBalancer } = config;
  if (!vms || !loadBalancer) return embeddedMachines(config, home, clock, log);
  const { controllerMachines } = await import('./controller-machines.ts');
  const { machines, leftOut } = await machinesOnRecord(databases, vms, loadBalancer.vm);
  for (const sentence of leftOut) log.warn({}, sentence);
  return controllerMachines({ config: { ...config, vms, loadBalancer }, entries: machines, home, clock, log });
}

/** What the node manager has on record of machines, before it runs itself. */
async function machinesOnRecord(
  databases: Databases,
  configured: readonly VmEntry[],
  balancer: string,
): Promise<Roster> {
  const database = await databases.open<NodeManagerTables>('node-manager', migrations);
  try {
    return await database.transaction((tx) => takeRoster(tx, configured, balancer));
  } finally {
    await database.close();
  }
}
