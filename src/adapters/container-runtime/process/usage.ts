import { listProcesses, residentBytes } from '../../host/proc.ts';

/** Sums over the sessions led by these pids. A process that left its session (setsid) is not counted. */
export async function sessionUsage(
  leaders: readonly number[],
): Promise<Map<number, { cpuSeconds: number; memoryBytes: number }>> {
  const sums = new Map(leaders.map((pid) => [pid, { cpuSeconds: 0, memoryBytes: 0 }]));
  if (sums.size === 0) return sums;
  for (const { pid, session, cpuSeconds } of await listProcesses()) {
    const sum = sums.get(session);
    if (!sum) continue;
    sum.cpuSeconds += cpuSeconds;
    sum.memoryBytes += residentBytes(pid);
  }
  return sums;
}
