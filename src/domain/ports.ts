import { z } from 'zod';

export const portRangeSchema = z
  .object({ first: z.int().min(1024).max(65_535), last: z.int().min(1024).max(65_535) })
  .refine((range) => range.last - range.first >= 1, 'expected at least two ports, first before last');

/** Ports of a machine that replicas may use, both ends included. */
export type PortRange = z.infer<typeof portRangeSchema>;

/** 32768-60999 are the kernel's own outgoing ports, so replicas stay below. */
export const DEFAULT_REPLICA_PORTS: PortRange = { first: 20_000, last: 29_999 };

/**
 * A machine's ports have two owners that must not wait for each other: the node manager reserves one for the first
 * replica of a deployment, the load balancer takes those of all further replicas. Each has its half.
 */
export function halves(range: PortRange): { firstReplicas: PortRange; furtherReplicas: PortRange } {
  const middle = range.first + Math.floor((range.last - range.first) / 2);
  return {
    firstReplicas: { first: range.first, last: middle },
    furtherReplicas: { first: middle + 1, last: range.last },
  };
}

/**
 * Ports to try, in the order to try them: from the one after `last` upwards and around, without those in `taken`.
 * Going on instead of taking the lowest keeps a port that was just freed unused for as long as possible.
 */
export function* candidatePorts(range: PortRange, last: number | null, taken: ReadonlySet<number>): Generator<number> {
  const size = range.last - range.first + 1;
  const from = last === null || last < range.first || last >= range.last ? 0 : last - range.first + 1;
  for (let step = 0; step < size; step += 1) {
    const port = range.first + ((from + step) % size);
    if (!taken.has(port)) yield port;
  }
}
