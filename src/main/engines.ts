import { userInfo } from 'node:os';
import { createFilesystemBlobs } from '../adapters/blob-store/filesystem.ts';
import { createZipBundleReader } from '../adapters/bundle-reader/zip.ts';
import { systemClock } from '../adapters/clock/system.ts';
import { createProcessRuntime } from '../adapters/container-runtime/process/runtime.ts';
import { createSqliteDatabases } from '../adapters/database/sqlite.ts';
import { createLocalHost } from '../adapters/host/local.ts';
import { createServiceLog, type ServiceLog } from '../adapters/log/pino.ts';
import { createSqliteBus } from '../adapters/message-bus/sqlite.ts';
import { systemRandom } from '../adapters/random/system.ts';
import { createBuiltInProxy } from '../adapters/reverse-proxy/built-in/proxy.ts';
import { createSqliteRegistry } from '../adapters/service-registry/sqlite.ts';
import { messageOf } from '../domain/errors.ts';
import type { VmLogin } from '../domain/node.ts';
import type { PortRange } from '../domain/ports.ts';
import type { BlobStore } from '../ports/blob-store.ts';
import type { BundleReader } from '../ports/bundle-reader.ts';
import type { Clock } from '../ports/clock.ts';
import type { ContainerRuntime } from '../ports/container-runtime.ts';
import type { Databases } from '../ports/database.ts';
import type { Host } from '../ports/host.ts';
import type { MessageBus } from '../ports/message-bus.ts';
import type { Random } from '../ports/random.ts';
import type { ReverseProxy } from '../ports/reverse-proxy.ts';
import type { ServiceRegistry } from '../ports/service-registry.ts';
import { type Config, uploadLimits } from './config.ts';
import type { Home } from './home.ts';

/** One machine with what reaches it. */
export interface MachineEngines {
  host: Host;
  runtime: ContainerRuntime;
  ports: PortRange;
  login: VmLogin;
}

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
  machines: MachineEngines[];
  logOf(service: string): ServiceLog;
  close(): Promise<void>;
}

/** What tests put in the way of a platform that is otherwise the real one. */
export interface Hooks {
  onJournal?: (point: string) => void;
  abortAndRerun?: () => boolean;
}

/** The embedded engines: SQLite, files and child processes below the home folder. Needs nothing else. */
export async function embeddedEngines(config: Config, home: Home, hooks: Hooks): Promise<Engines> {
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
  const proxy = createBuiltInProxy({ host: config.host, clock, log: (line) => log.debug({}, line) });
  const machines: MachineEngines[] = [];
  for (const { name, address, ports } of pretendedMachines(config)) machines.push(await machine(name, address, ports));

  async function machine(name: string, address: string, ports: PortRange): Promise<MachineEngines> {
    const folder = home.path('nodes', name);
    const runtime = await createProcessRuntime({
      home: folder,
      node: name,
      clock,
      log: (line) => log.warn({ node: name }, line),
      buildTimeoutMs: config.buildSeconds * 1000,
      maxEntries: config.maxUploadEntries,
      maxUnpackedBytes: uploadLimits(config).unpackedBytes,
    });
    const host = createLocalHost({ name, address, home: folder, clock, usage: () => runtime.usage() });
    return { host, runtime, ports, login: { username: ownUser(), keyPath: '', servicePath: folder } };
  }

  return {
    clock,
    random,
    databases: createSqliteDatabases({
      directory: home.path('state'),
      ...(hooks.abortAndRerun ? { abortAndRerun: hooks.abortAndRerun } : {}),
    }),
    bus,
    registry,
    blobs,
    bundles: createZipBundleReader({ directory: home.path('uploads') }),
    proxy,
    machines,
    logOf,
    async close() {
      await proxy.close();
      await Promise.all(machines.map(({ runtime }) => runtime.close()));
      await bus.close();
      await registry.close();
      for (const { close } of logs.values()) close();
    },
  };
}

/** Who the platform runs as: the user that it has on a machine which is this one. */
function ownUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A user without a name, as containers have them.
    return String(process.getuid?.() ?? '');
  }
}

/** Machines that are all this one: loopback addresses and parts of the port range of their own. */
function pretendedMachines(config: Config): { name: string; address: string; ports: PortRange }[] {
  const { first, last } = config.replicaPorts;
  const share = Math.floor((last - first + 1) / config.nodes);
  return Array.from({ length: config.nodes }, (_, index) => ({
    name: `node${index + 1}`,
    address: `127.0.0.${index + 1}`,
    ports: { first: first + index * share, last: first + (index + 1) * share - 1 },
  }));
}
