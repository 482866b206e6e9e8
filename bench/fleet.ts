import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../src/adapters/clock/system.ts';
import { createHostKeyFile } from '../src/adapters/host/ssh/host-key.ts';
import { createSshHost, type SshHostOptions } from '../src/adapters/host/ssh/ssh.ts';
import type { Host } from '../src/ports/host.ts';
import { bringUpFleet, type Fleet } from '../test/fleet/fleet.ts';
import type { FleetVm } from '../test/fleet/vm.ts';
import { type Api, signIn } from '../test/support/api.ts';
import { PASSWORD, startPlatform } from './platform.ts';
import { type Scratch, withScratch } from './scratch.ts';

export interface FleetBench {
  scratch: Scratch;
  fleet: Fleet;
}

/** A fleet for one measurement; it goes down with it, also when it fails or is interrupted. */
export function withFleet<T>(vms: number, fn: (bench: FleetBench) => Promise<T>): Promise<T> {
  return withScratch(async (scratch) => {
    const fleet = await bringUpFleet(vms, { progress: (sentence) => process.stderr.write(`${sentence} …\n`) });
    try {
      return await fn({ scratch, fleet });
    } finally {
      await fleet.down();
    }
  });
}

/** The platform as an operator starts it on machines of their own, and its administrator. */
export async function startController({
  scratch,
  fleet,
}: FleetBench): Promise<{ url: string; api: Api; home: string }> {
  const flags = scratch.flags('home');
  const config = join(scratch.folder, 'avishkar.yml');
  writeFileSync(config, JSON.stringify({ vms: fleet.vmDetails, loadBalancer: { vm: 'VM1' } }));
  const platform = await startPlatform(scratch, [...flags, '--config', config]);
  return { url: platform.url, api: await signIn(platform.url, 'admin', PASSWORD), home: flags[1] ?? '' };
}

const silent = (): void => undefined;

/** A VM as the platform reaches it. @param replicas the containers that its samples are about */
export function hostOf(scratch: Scratch, vm: FleetVm, replicas: ReturnType<SshHostOptions['replicas']>): Host {
  return createSshHost({
    name: vm.name,
    address: vm.address,
    username: vm.user,
    privateKey: { path: vm.keyPath },
    pins: createHostKeyFile(join(scratch.folder, 'host-keys.json')),
    servicePath: vm.servicePath,
    replicas: () => replicas,
    clock: systemClock,
    log: { debug: silent, info: silent, warn: silent, error: silent },
  });
}
