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

/** What makes one replica of an instance different from the others. */
export interface ReplicaPlace {
  /** Its own for ever, carried as a label. */
  id: string;
  /** N of `NAME_instance_N`. */
  number: number;
  node: string;
  hostPort: number;
}
