import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/adapters/clock/system.ts';
import { systemRandom } from '../../../src/adapters/random/system.ts';
import { createSqliteRegistry } from '../../../src/adapters/service-registry/sqlite.ts';
import type { ServiceRegistry } from '../../../src/ports/service-registry.ts';
import type { ServiceRegistryLab } from '../service-registry.contract.ts';

/** Long enough that a busy machine renews in time, short enough to wait for. */
const LEASE_MS = 600;

/** A registry in a folder of its own; `breakIt` replaces methods. */
export async function sqliteRegistryLab(
  breakIt: (registry: ServiceRegistry) => Partial<ServiceRegistry> = () => ({}),
  leaseMs: number = LEASE_MS,
): Promise<ServiceRegistryLab> {
  const directory = await mkdtemp(join(tmpdir(), 'avk-registry-'));
  const open = (): ServiceRegistry => {
    const path = join(directory, 'registry.db');
    const registry = createSqliteRegistry({ path, clock: systemClock, random: systemRandom, leaseMs });
    return { ...registry, ...breakIt(registry) };
  };
  const registry = open();
  return {
    registry,
    async another() {
      const other = open();
      // Closing the registry renews nothing any more and ends no session: what a crash leaves.
      return { registry: other, kill: () => other.close() };
    },
    async cleanup() {
      await registry.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
