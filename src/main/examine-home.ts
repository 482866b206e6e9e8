import { resolve } from 'node:path';
import { systemClock } from '../adapters/clock/system.ts';
import { createLocalHost } from '../adapters/host/local.ts';
import type { Check } from '../domain/check.ts';
import { examine } from './doctor.ts';

/** Examines a home that no platform needs to run on. */
export function examineHome(directory: string): Promise<Check[]> {
  const home = resolve(directory);
  const host = createLocalHost({
    name: 'this machine',
    address: '127.0.0.1',
    home,
    clock: systemClock,
    usage: async () => [],
  });
  return examine(home, host, systemClock);
}
