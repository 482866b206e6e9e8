/* What a build may use of its machine, beside the apps that run there. Pure. */

/** By the names that Docker's API has for them. */
export interface BuildLimits {
  /** Bytes. */
  memory: number;
  /** Together with swap: none of that. */
  memswap: number;
  /** Microseconds. */
  cpuperiod: number;
  cpuquota: number;
  /** Against 1024 of each app that runs. */
  cpushares: number;
}

const MIB = 1024 * 1024;
/** Enough for `npm ci` and `pip install` of large apps. */
export const BUILD_MEMORY_MB = 2048;
const MEMORY_SHARE = 0.5;
const CPU_SHARE = 0.8;
const CPU_PERIOD = 100_000;
const CPU_WEIGHT = 256;

/** `memoryBytes` of the machine; 0 when Docker does not say. */
export function buildLimits(machine: { cores: number; memoryBytes: number }, mostMb: number): BuildLimits {
  const share = machine.memoryBytes > 0 ? Math.floor((machine.memoryBytes * MEMORY_SHARE) / MIB) : mostMb;
  const memory = Math.min(mostMb, share) * MIB;
  return {
    memory,
    memswap: memory,
    cpuperiod: CPU_PERIOD,
    cpuquota: Math.round(machine.cores * CPU_SHARE * CPU_PERIOD),
    cpushares: CPU_WEIGHT,
  };
}

/** The same as arguments of `docker build`. */
export function limitArguments({ memory, memswap, cpuperiod, cpuquota, cpushares }: BuildLimits): string[] {
  return [
    ...['--memory', `${memory / MIB}m`, '--memory-swap', `${memswap / MIB}m`],
    ...['--cpu-period', String(cpuperiod), '--cpu-quota', String(cpuquota), '--cpu-shares', String(cpushares)],
  ];
}

/** For people. */
export function describeMemory({ memory }: BuildLimits): string {
  return `${memory / MIB} MiB`;
}
