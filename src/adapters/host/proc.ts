import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate as breathe } from 'node:timers/promises';

/** What /proc/<pid>/stat says of one process. */
export interface ProcessStat {
  pid: number;
  /** `R`, `S`, `D`, `T`, …; `Z` and `X` mean that it is over. */
  state: string;
  /** Process group. */
  group: number;
  /** Session; equals the pid of the process that opened it. */
  session: number;
  /** When it started, in clock ticks since boot. With the pid and the boot id it names a process for ever. */
  startTicks: number;
  /** Used by it and by those of its children that ended, in seconds. */
  cpuSeconds: number;
}

/** USER_HZ: the unit of /proc, 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Null when there is no such process, also when it ended and only waits for its parent. */
export function readProcess(pid: number): ProcessStat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return null;
  }
  // The second field is the program's name in parentheses and may hold anything, spaces and parentheses too.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number): number => Number(fields[number - 3]);
  const state = fields[0] ?? 'X';
  if (state === 'Z' || state === 'X') return null;
  return {
    pid,
    state,
    group: field(5),
    session: field(6),
    startTicks: field(22),
    cpuSeconds: (field(14) + field(15) + field(16) + field(17)) / TICKS_PER_SECOND,
  };
}

/** All running processes that this user may see. Lets other work run in between. */
export async function listProcesses(): Promise<ProcessStat[]> {
  const found: ProcessStat[] = [];
  let read = 0;
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const stat = readProcess(pid);
    if (stat) found.push(stat);
    read += 1;
    if (read % 64 === 0) await breathe();
  }
  return found;
}

/** The environment a process was started with, `NAME=value` each; null when it is gone or another user's. */
export function readEnviron(pid: number): string[] | null {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return null;
  }
}

/** Resident memory in bytes; 0 when the process is gone. */
export function residentBytes(pid: number): number {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return kilobytes === undefined ? 0 : Number(kilobytes) * 1024;
  } catch {
    return 0;
  }
}

let cachedBootId: string | undefined;

/** Changes at each boot of the machine. */
export function bootId(): string {
  cachedBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return cachedBootId;
}
