import { createDockerRuntime, type DockerRuntime } from '../adapters/container-runtime/docker/runtime.ts';
import { createHostKeyFile, createTrialPins, type HostKeyPins, type TrialPins } from '../adapters/host/ssh/host-key.ts';
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

  function reach(entry: VmEntry, pins: HostKeyPins): Machine {
    const { vm_name: name, vm_ip: address, vm_username: username, vm_key_path, vm_service_path: servicePath } = entry;
    const host = createSshHost({
      name,
      address,
      ...(entry.vm_port === undefined ? {} : { port: entry.vm_port }),
      username,
      privateKey: vm_key_path === '' ? { agent: process.env.SSH_AUTH_SOCK ?? '' } : { path: vm_key_path },
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
    return { host, runtime, ports, login: { username, keyPath: vm_key_path, servicePath } };
  }

  // What a machine shows that is only looked at is kept once it is taken in.
  const trials = new WeakMap<Machine, TrialPins>();
  function open(entry: VmEntry): Machine {
    refuseBadKey(entry);
    const trial = createTrialPins(pins);
    const machine = reach(entry, trial);
    trials.set(machine, trial);
    return machine;
  }

  // One whose key cannot be used any more is a machine all the same: it says so when it is signed in to.
  const machines = createMachines(
    entries.map((entry) => reach(entry, pins)),
    open,
  );
  const balancer = machines.get(config.loadBalancer.vm);
  return {
    machines: {
      ...machines,
      add(machine) {
        trials.get(machine)?.keep();
        machines.add(machine);
      },
    },
    proxy: createNginxProxy({ host: balancer.host, confDir: config.loadBalancer.confDir, clock, log }),
    publicAddress: config.loadBalancer.address ?? balancer.host.address,
    balancer: { name: balancer.host.name, confDir: config.loadBalancer.confDir },
  };
}

function refuseBadKey({ vm_key_path: path }: VmEntry): void {
  const agent = process.env.SSH_AUTH_SOCK;
  const none = agent ? null : 'expected a private key, as there is no SSH agent (SSH_AUTH_SOCK)';
  const problem = path === '' ? none : checkKeyFile(path);
  if (problem === null) return;
  const errors = [{ path: 'vm_key_path', message: problem, received: path }];
  throw new AvkError('AVK_UNACCEPTABLE', `vm_key_path: ${problem}`, { errors });
}
