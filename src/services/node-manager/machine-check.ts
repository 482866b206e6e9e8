import type { Check } from '../../domain/check.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Host } from '../../ports/host.ts';

export async function checkMachine(_options: {
  host: Host;
  clock: Clock;
  servicePath: string;
  balancer?: { confDir: string };
}): Promise<Check[]> {
  return [];
}
