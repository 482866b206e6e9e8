import type { HostSample } from '../../../ports/host.ts';
import { cpuTicks, percent, replicaSample } from '../shares.ts';

/** The limits of a replica, as in the manifest's `resources`, by the id of its container. */
export type ReplicaLimits = ReadonlyMap<string, { id: string; cpus: number; memoryMb: number }>;

/** The counters of a machine at one moment. */
export interface Reading {
  /** Seconds since boot. */
  uptime: number;
  busyTicks: number;
  totalTicks: number;
  cores: number;
  memoryBytes: number;
  availableBytes: number;
  /** Of the fullest disk, 0-100. */
  diskPercent: number;
  /** By id of the container. */
  containers: Map<string, { cpuSeconds: number; memoryBytes: number }>;
}

/** Reads a line of the probe, whose shape stands at its script. Null when it is none. */
export function parseReading(line: string): Reading | null {
  const [uptime, ticks, cores, ram, disks, containers] = line.split('|');
  if (containers === undefined || !ticks?.startsWith('cpu ')) return null;
  const [total = 0, available = 0] = numbers(ram);
  const reading: Reading = {
    uptime: Number(uptime),
    ...cpuTicks(ticks),
    cores: Number(cores),
    memoryBytes: total * 1024,
    availableBytes: available * 1024,
    diskPercent: fullest(numbers(disks)),
    containers: new Map(),
  };
  const { uptime: at, totalTicks, cores: count, memoryBytes, availableBytes } = reading;
  if (![at, totalTicks, count, memoryBytes, availableBytes].every(Number.isFinite)) return null;
  for (const each of containers.split(';')) {
    const [id, nanoseconds, used, inactive] = each.split(' ');
    if (!id || inactive === undefined) continue;
    // As `docker stats` counts: the page cache that nobody has asked for lately is given back when it is wanted.
    const idle = Number(inactive) < Number(used) ? Number(inactive) : 0;
    reading.containers.set(id, { cpuSeconds: Number(nanoseconds) / 1e9, memoryBytes: Number(used) - idle });
  }
  return reading;
}

/** What happened between two readings. `at`: when the later one was made. */
export function sampleOf(before: Reading, now: Reading, replicas: ReplicaLimits, at: number): HostSample {
  const seconds = now.uptime - before.uptime;
  const sample: HostSample = {
    at,
    cpuPercent: percent(now.busyTicks - before.busyTicks, now.totalTicks - before.totalTicks),
    memoryPercent: percent(now.memoryBytes - now.availableBytes, now.memoryBytes),
    diskPercent: now.diskPercent,
    cores: now.cores,
    memoryBytes: now.memoryBytes,
    replicas: [],
  };
  for (const [container, used] of now.containers) {
    const limits = replicas.get(container);
    if (!limits) continue;
    const earlier = before.containers.get(container);
    sample.replicas.push(replicaSample(earlier && { ...earlier, ...limits }, { ...used, ...limits }, seconds));
  }
  return sample;
}

function numbers(text: string | undefined): number[] {
  return (text ?? '').split(' ').filter(Boolean).map(Number);
}

/** Of pairs of used and available, as df shows them: what only root may still use is not free to anyone else. */
function fullest(sizes: number[]): number {
  let most = 0;
  for (let index = 0; index + 1 < sizes.length; index += 2) {
    const [used = 0, available = 0] = sizes.slice(index, index + 2);
    most = Math.max(most, percent(used, used + available));
  }
  return most;
}
