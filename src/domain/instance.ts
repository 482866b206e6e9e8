import { z } from 'zod';
import { manifestSchema, scaleSchema } from './manifest.ts';
import { nameSchema } from './names.ts';

/** Instance states, as users see them. */
export const INSTANCE_STATES = [
  'scheduled',
  'requested',
  'placing',
  'building',
  'starting',
  'routing',
  'running',
  'degraded',
  'stopping',
  'stopped',
  'failed',
  'cancelled',
] as const;
export type InstanceState = (typeof INSTANCE_STATES)[number];

/** What the way to `running` goes through, in order. */
export const DEPLOYING: readonly InstanceState[] = ['requested', 'placing', 'building', 'starting', 'routing'];
/** Ended: the name may be deployed again. */
export const ENDED: readonly InstanceState[] = ['stopped', 'failed', 'cancelled'];

const NEXT: Record<InstanceState, readonly InstanceState[]> = {
  // Its last start was missed, or could not be made.
  scheduled: ['requested', 'stopped', 'cancelled', 'failed'],
  requested: ['placing', 'stopping', 'failed', 'cancelled'],
  placing: ['building', 'stopping', 'failed', 'cancelled'],
  // Back to placing: the port or the machine was lost meanwhile.
  building: ['placing', 'starting', 'stopping', 'failed', 'cancelled'],
  starting: ['placing', 'routing', 'stopping', 'failed', 'cancelled'],
  routing: ['placing', 'running', 'degraded', 'stopping', 'failed', 'cancelled'],
  running: ['degraded', 'stopping'],
  degraded: ['running', 'stopping'],
  // Failed: a deployment that was being taken back failed by itself first.
  stopping: ['stopped', 'cancelled', 'failed'],
  stopped: ['requested'],
  failed: ['requested'],
  cancelled: ['requested'],
};

/** Whether an instance may go from one state to the other. Steps of a deployment may be skipped, as reports may be lost in time. */
export function canBecome(from: InstanceState, to: InstanceState): boolean {
  if (NEXT[from].includes(to)) return true;
  const at = DEPLOYING.indexOf(from);
  return at >= 0 && (DEPLOYING.indexOf(to) > at || to === 'running' || to === 'degraded');
}

/** A deployed instance in full: what it takes to start a replica of it anywhere. Travels from service to service. */
export const instanceSpecSchema = z.object({
  instance: nameSchema,
  /** Rises when what the replicas are made of changes; never on scaling or healing. */
  generation: z.int().min(1),
  appName: nameSchema,
  version: z.string(),
  /** The image's deterministic name. */
  image: z.string().min(1),
  /** Where the populated bundle is. */
  bundle: z.object({ container: z.string(), key: z.string() }),
  manifest: manifestSchema,
  /** What the app is told: its settings and `env`, secrets left out. */
  env: z.record(z.string(), z.string()),
  /** Secret settings, sealed. */
  sealed: z.record(z.string(), z.string()),
  scale: scaleSchema,
});
export type InstanceSpec = z.infer<typeof instanceSpecSchema>;
