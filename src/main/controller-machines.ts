import { createDockerRuntime, type DockerRuntime } from '../adapters/container-runtime/docker/runtime.ts';
import { createHostKeyFile } from '../adapters/host/ssh/host-key.ts';
import { checkKeyFile } from '../adapters/host/ssh/key-file.ts';
import { createSshHost } from '../adapters/host/ssh/ssh.ts';
import { createNginxProxy } from '../adapters/reverse-proxy/nginx/proxy.ts';
import { AvkError } from '../domain/errors.ts';
import { replicaPortsOf, type VmEntry } from '../domain/service-entry.ts';
import { createMachines } from '../kernel/machines.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Machine } from '../ports/machines.ts';
import { type Config, uploadLimits } from './config.ts';
import type { MachineEngines } from './embedded-machines.ts';
import type { Home } from './home.ts';

export interface ControllerOptions {
  config: Config & Required<Pick<Config, 'vms' | 'loadBalancer'>>;
  /** The machines at this start: those of the configuration, and what was changed at run time. */
  entries: readonly VmEntry[];
  home: Home;
  clock: Clock;
  log: Log;
}

/** Machines of one's own: reached over SSH, apps in Docker on them, NGINX on one of them. */
export function controllerMachines({ config, entries, home, clock, log }: ControllerOptions): MachineEngines {
  const pins = createHostKeyFile(home.path('host-keys.json'));
  const { packedBytes: _packed, ...limits } = uploadLimits(config);

  function open(entry: VmEntry): Machine & { runtime: DockerRuntime } {
    const { vm_name: name, vm_ip: address, vm_username: username, vm_service_path: servicePath } = entry;
    const host = createSshHost({
      name,
      address,
      ...(entry.vm_port === undefined ? {} : { port: entry.vm_port }),
      username,
      privateKey: privateKeyOf(entry),
      ...(entry.hostKey === undefined ? {} : { hostKey: entry.hostKey }),
      pins,
      servicePath,
      replicas: () => runtime.running(),
      clock,
      log,
    });
    const runtime: DockerRuntime = createDockerRuntime({
      host,
      servicePath,
      baseImages: config.baseImages,
      clock,
      log: (line) => log.warn({ node: name }, line),
      buildTimeoutMs: config.buildSeconds * 1000,
      limits: { maxEntries: limits.entries, maxBytes: limits.unpackedBytes },
      peers: () => machines.list().map((machine) => machine.runtime as DockerRuntime),
    });
    const ports = replicaPortsOf(entry, config.replicaPorts);
    return { host, runtime, ports, login: { username, keyPath: entry.vm_key_path, servicePath } };
  }

  const machines = createMachines(entries.map(open), open);
  const balancer = machines.get(config.loadBalancer.vm);
  return {
    machines,
    proxy: createNginxProxy({ host: balancer.host, confDir: config.loadBalancer.confDir, clock, log }),
    publicAddress: balancer.host.address,
    balancer: { name: balancer.host.name, confDir: config.loadBalancer.confDir },
  };
}

function privateKeyOf({ vm_name, vm_key_path }: VmEntry): { path: string } | { agent: string } {
  if (vm_key_path === '') {
    const agent = process.env.SSH_AUTH_SOCK;
    if (agent) return { agent };
    throw new AvkError('AVK_BAD_CONFIG', `${vm_name}: there is no SSH agent; name its private key in vm_key_path`);
  }
  const problem = checkKeyFile(vm_key_path);
  if (problem) {
    const errors = [{ path: 'vm_key_path', message: problem, received: vm_key_path }];
    throw new AvkError('AVK_UNACCEPTABLE', `vm_key_path: ${problem}`, { errors });
  }
  return { path: vm_key_path };
}
