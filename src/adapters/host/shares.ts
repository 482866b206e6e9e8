import type { ReplicaSample } from '../../ports/host.ts';

/** What one running replica has used, and its limits. */
export interface ReplicaUsage {
  /** The replica's id. */
  id: string;
  /** Processor time since it started, in seconds of one core. */
  cpuSeconds: number;
  memoryBytes: number;
  /** Its limits, as in the manifest's `resources`. */
  cpus: number;
  memoryMb: number;
}

/** Reads the first line of /proc/stat: `cpu user nice system idle iowait irq softirq steal …`. */
export function cpuTicks(text: string): { busyTicks: number; totalTicks: number } {
  const end = text.indexOf('\n');
  // Guest time, after steal, is contained in user time already.
  const ticks = text
    .slice(0, end < 0 ? text.length : end)
    .trim()
    .split(/\s+/)
    .slice(1, 9)
    .map(Number);
  const totalTicks = ticks.reduce((sum, value) => sum + value, 0);
  const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0);
  return { busyTicks: totalTicks - idle, totalTicks };
}

/** Reads /proc/meminfo, in bytes. */
export function memory(text: string): { totalBytes: number; availableBytes: number } {
  const bytes = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return { totalBytes: bytes('MemTotal'), availableBytes: bytes('MemAvailable') };
}

/** Two readings of a replica, `seconds` apart, as shares of its limits. */
export function replicaSample(before: ReplicaUsage | undefined, now: ReplicaUsage, seconds: number): ReplicaSample {
  // One that was not there before has used all of its time since. One that was started again counts from 0.
  const used = Math.max(0, now.cpuSeconds - (before?.cpuSeconds ?? 0));
  return {
    id: now.id,
    cpuPercent: seconds > 0 ? (used / (seconds * now.cpus)) * 100 : 0,
    memoryPercent: (now.memoryBytes / (now.memoryMb * 1024 * 1024)) * 100,
    memoryBytes: now.memoryBytes,
  };
}

/** A share of a whole, 0-100. */
export function percent(part: number, whole: number): number {
  return whole > 0 ? Math.min(100, Math.max(0, (part / whole) * 100)) : 0;
}
