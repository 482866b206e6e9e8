/** Replica states, as users see them. `lost`: its machine does not answer. */
export const REPLICA_STATES = [
  'starting',
  'healthy',
  'unhealthy',
  'draining',
  'crash-looping',
  'lost',
  'stopped',
] as const;
export type ReplicaState = (typeof REPLICA_STATES)[number];
