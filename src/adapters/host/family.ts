import type { Clock } from '../../ports/clock.ts';
import { listProcesses, readEnviron, readProcess } from './proc.ts';

/**
 * A process started by us and everything that comes from it. The leader opened a session of its own; what it starts
 * stays in that session or, where it leaves it (setsid), still carries the marker in its environment.
 */
export interface Family {
  leader: { pid: number; startTicks: number } | null;
  /** `NAME=value`, unique to this family. */
  marker: string;
}

/** Pids of the family that run now. Processes of other users that left the session cannot be seen. */
export async function familyMembers(family: Family): Promise<number[]> {
  const { leader, marker } = family;
  // The kernel does not give a pid out again while a session is named after it. A process of that pid that started
  // at another time therefore proves that the session is over, and whatever bears its number is not ours.
  const present = leader ? readProcess(leader.pid) : null;
  const session = leader && (!present || present.startTicks === leader.startTicks) ? leader : null;
  const members: number[] = [];
  for (const stat of await listProcesses()) {
    const inSession = session !== null && stat.session === session.pid && stat.startTicks >= session.startTicks;
    if (inSession || readEnviron(stat.pid)?.includes(marker)) members.push(stat.pid);
  }
  return members;
}

/**
 * Ends whatever is left of a family, at once. Looks again until nothing is found, as a process may fork while we look.
 * False when something is left after `deadlineMs`, e.g. a process that hangs in the kernel.
 */
export async function endFamily(family: Family, clock: Clock, deadlineMs = 10_000): Promise<boolean> {
  const end = clock.monotonic() + deadlineMs;
  for (;;) {
    const members = await familyMembers(family);
    if (members.length === 0) return true;
    if (clock.monotonic() >= end) return false;
    for (const pid of members) signalProcess(pid, 'SIGKILL');
    await clock.sleep(20);
  }
}

/** Signals a process, or with a negative pid a process group. False when it is gone or not ours to signal. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ESRCH' || code === 'EPERM') return false;
    throw error;
  }
}
