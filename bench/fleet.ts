import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bringUpFleet, type Fleet } from '../test/fleet/fleet.ts';
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
