import { bootId, listProcesses, readEnviron, readProcess } from '../../host/proc.ts';

/** The environment variable that says whose process it is. Inherited by all that a replica starts. */
export const REPLICA_MARKER = 'AVISHKAR_REPLICA_ID';

/** Names one process for ever: pids are given out again, and again after each boot. */
export interface ProcessIdentity {
  pid: number;
  /** In clock ticks since boot. */
  startTicks: number;
  bootId: string;
}

/** Of a process that runs, or null. */
export function identify(pid: number): ProcessIdentity | null {
  const stat = readProcess(pid);
  return stat && { pid, startTicks: stat.startTicks, bootId: bootId() };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identity.bootId === bootId() && readProcess(identity.pid)?.startTicks === identity.startTicks;
}

export function replicaMarker(id: string): string {
  return `${REPLICA_MARKER}=${id}`;
}

/**
 * The main process of a replica, found by its marker alone: for when the platform died between starting it and
 * writing down its pid. It leads a session of its own; so may what it started later, hence the oldest.
 */
export async function findMain(id: string): Promise<ProcessIdentity | null> {
  const marker = replicaMarker(id);
  const leaders = (await listProcesses()).filter(
    (stat) => stat.session === stat.pid && readEnviron(stat.pid)?.includes(marker),
  );
  const oldest = leaders.sort((a, b) => a.startTicks - b.startTicks || a.pid - b.pid)[0];
  return oldest ? { pid: oldest.pid, startTicks: oldest.startTicks, bootId: bootId() } : null;
}
