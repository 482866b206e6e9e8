import { userInfo } from 'node:os';
import { createProcessRuntime } from '../adapters/container-runtime/process/runtime.ts';
import { createLocalHost } from '../adapters/host/local.ts';
import { createBuiltInProxy } from '../adapters/reverse-proxy/built-in/proxy.ts';
import type { PortRange } from '../domain/ports.ts';
import { createMachines } from '../kernel/machines.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Machine, Machines } from '../ports/machines.ts';
import type { ReverseProxy } from '../ports/reverse-proxy.ts';
import { publicAddress } from './addresses.ts';
import { type Config, uploadLimits } from './config.ts';
import type { Home } from './home.ts';

export interface MachineEngines {
  machines: Machines;
  proxy: ReverseProxy;
  /** Where users reach apps. */
  publicAddress: string;
  /** The machine that NGINX runs on, and where its files go; null where the proxy is in this process. */
  balancer: { name: string; confDir: string } | null;
}

/** Machines that are all this one, and a proxy in this process: nothing else is needed. */
export async function embeddedMachines(config: Config, home: Home, clock: Clock, log: Log): Promise<MachineEngines> {
  const machines: Machine[] = [];
  for (const { name, address, ports } of pretendedMachines(config)) machines.push(await machine(name, address, ports));

  async function machine(name: string, address: string, ports: PortRange): Promise<Machine> {
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
    machines: createMachines(
      machines,
      'this platform is embedded: it pretends its machines, as many as `avishkar up --nodes N` says',
    ),
    proxy: createBuiltInProxy({ host: config.host, clock, log: (line) => log.debug({}, line) }),
    publicAddress: publicAddress(config),
    balancer: null,
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
