import { z } from 'zod';
import { AvkError, messageOf } from '../../domain/errors.ts';
import { INSTANCE_STATES, type InstanceSpec } from '../../domain/instance.ts';
import { manifestSchema } from '../../domain/manifest.ts';
import { REPLICA_STATES } from '../../domain/replica.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Log } from '../../ports/log.ts';
import type { InstanceRow } from './store.ts';

export const replicaSchema = z.object({
  name: z.string(),
  id: z.string(),
  node: z.string(),
  hostPort: z.number(),
  state: z.enum(REPLICA_STATES),
  cpuPercent: z.number().nullable(),
  memoryPercent: z.number().nullable(),
  restarts: z.number(),
  /** Why it was put on its machine. */
  placement: z.string(),
  reason: z.string().optional(),
});
export type ReplicaView = z.infer<typeof replicaSchema>;

/** INSTANCE of the contract. */
export const instanceSchema = z.object({
  instanceName: z.string(),
  appName: z.string(),
  version: z.string(),
  state: z.enum(INSTANCE_STATES),
  endpoint: z.string().nullable(),
  node: z.string().nullable(),
  generation: z.number(),
  replicas: z.array(replicaSchema),
  scale: z.object({ min: z.number(), max: z.number(), cpuPercent: z.number(), memoryPercent: z.number() }),
  config: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  reason: z.string().optional(),
  lastLogLines: z.array(z.string()).optional(),
  createdAt: z.string(),
  createdBy: z.string(),
});
export type InstanceView = z.infer<typeof instanceSchema>;

/** A version as the catalogue shows it; manifests are given out as they were understood. */
export const versionSchema = z.object({
  name: z.string(),
  version: z.string(),
  sha256: z.string(),
  sizeBytes: z.number(),
  manifest: manifestSchema,
});

export function instanceView(row: InstanceRow, replicas: readonly ReplicaView[]): InstanceView {
  const spec = JSON.parse(row.spec) as InstanceSpec;
  return {
    instanceName: row.name,
    appName: row.app_name,
    version: row.version,
    state: row.state,
    endpoint: row.endpoint,
    node: row.node,
    generation: row.generation,
    replicas: [...replicas],
    scale: spec.scale,
    config: JSON.parse(row.config) as InstanceView['config'],
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.last_log_lines === null ? {} : { lastLogLines: JSON.parse(row.last_log_lines) as string[] }),
    createdAt: new Date(row.created_at).toISOString(),
    createdBy: row.created_by,
  };
}

const registered = z.object({ name: z.string(), generation: z.number(), replicas: z.array(replicaSchema) });
const NO_REPLICAS = new Set([
  'scheduled',
  'requested',
  'placing',
  'building',
  'starting',
  'stopped',
  'failed',
  'cancelled',
]);

/** The instances with the replicas that the load balancer has of them. While it does not answer, without. */
export async function withReplicas(
  client: ServiceClient,
  log: Log,
  rows: readonly InstanceRow[],
): Promise<InstanceView[]> {
  const wanted = rows.filter((row) => !NO_REPLICAS.has(row.state));
  const replicas = new Map<string, ReplicaView[]>();
  const [only] = wanted;
  try {
    if (wanted.length === 1 && only) {
      const one = registered.parse(await client.call('load-balancer', 'GET', `/instances/${only.name}`));
      replicas.set(one.name, one.replicas);
    } else if (wanted.length > 1) {
      const all = z
        .object({ instances: z.array(registered) })
        .parse(await client.call('load-balancer', 'GET', '/instances'));
      for (const entry of all.instances) replicas.set(entry.name, entry.replicas);
    }
  } catch (error) {
    if (!(error instanceof AvkError && error.code === 'AVK_NOT_FOUND')) {
      log.warn({ reason: messageOf(error) }, 'the replicas could not be asked for');
    }
  }
  return rows.map((row) => instanceView(row, NO_REPLICAS.has(row.state) ? [] : (replicas.get(row.name) ?? [])));
}
