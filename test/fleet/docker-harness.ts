import { systemClock } from '../../src/adapters/clock/system.ts';
import {
  createDockerRuntime,
  type DockerRuntime,
  type DockerRuntimeOptions,
} from '../../src/adapters/container-runtime/docker/runtime.ts';
import type { Host } from '../../src/ports/host.ts';
import type { RuntimeHarness } from '../contracts/container-runtime.contract.ts';
import { eventually } from '../support/eventually.ts';
import { BASE_IMAGES } from './fleet.ts';
import type { FleetVm } from './vm.ts';
import { createVmHost } from './vm-host.ts';

export interface DockerHarness extends RuntimeHarness {
  runtime: DockerRuntime;
  reopen: () => Promise<DockerRuntime>;
  vm: FleetVm;
  host: Host;
  /** What the runtime wrote to the platform's log. */
  logged: string[];
}

/** Each test of this process gets ports that none had before. */
let ports = 20_000;

/** A Docker runtime on a VM of a fleet that others use, too, one after the other. */
export async function createDockerHarness(
  vm: FleetVm,
  hostOf: (vm: FleetVm) => Promise<{ host: Host; cleanup: () => Promise<void> }>,
  changes: Partial<DockerRuntimeOptions> = {},
): Promise<DockerHarness> {
  const logged: string[] = [];
  const ways: { host: Host; cleanup: () => Promise<void> }[] = [];
  const open = async (): Promise<DockerRuntime> => {
    const way = await hostOf(vm);
    ways.push(way);
    const { host } = way;
    return createDockerRuntime({
      host,
      servicePath: vm.servicePath,
      baseImages: BASE_IMAGES,
      clock: systemClock,
      log: (message) => logged.push(message),
      ...changes,
    });
  };
  const runtime = await open();
  return {
    runtime,
    vm,
    host: (ways[0] as (typeof ways)[0]).host,
    logged,
    reopen: open,
    freePort: async () => {
      ports += 1;
      return ports;
    },
    occupyPort: (port) => occupy(vm, port),
    portInside: (_, manifest) => manifest.port,
    async cleanup() {
      for (const { id } of await runtime.list()) await runtime.remove(id);
      for (const image of await runtime.listImages()) await runtime.removeImage(image);
      await runtime.close();
      for (const way of ways) await way.cleanup();
    },
  };
}

async function occupy(vm: FleetVm, port: number): Promise<{ close: () => Promise<void> }> {
  const { portFree } = createVmHost(vm);
  const listen = 'busybox httpd -f -p "$1" -h /tmp > /dev/null 2>&1 < /dev/null & echo $!';
  const { stdout } = await vm.exec(['sh', '-c', listen, 'sh', String(port)]);
  await eventually(async () => !(await portFree(port)));
  return {
    async close() {
      await vm.exec(['kill', '-9', stdout.trim()]);
      await eventually(() => portFree(port));
    },
  };
}
