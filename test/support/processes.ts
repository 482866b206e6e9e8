import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { FLEET } from './platform.ts';

/** A process of an app under test. */
export interface AppProcess {
  pid: number;
  replicaId: string;
  instance: string;
}

/** All running processes that belong to replicas of the platform with this home, by their environment. */
export function appProcesses(home: string): AppProcess[] {
  return candidates(home).map(({ pid, environment }) => ({
    pid: Number(pid),
    replicaId: environment.AVISHKAR_REPLICA_ID ?? '',
    instance: environment.AVISHKAR_INSTANCE ?? '',
  }));
}

/** Replicas that a platform which has ended left running: none, as child processes end with it. Containers go on. */
export function outlivedBy(home: string): AppProcess[] {
  return FLEET === null ? appProcesses(home) : [];
}

function candidates(home: string): { pid: string; environment: Record<string, string> }[] {
  if (FLEET !== null)
    return fleetProcesses(FLEET).filter(({ environment }) => environment.AVISHKAR_REPLICA !== undefined);
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((pid) => ({ pid, environment: environmentOf(pid) }))
    .filter(
      ({ environment: { HOME, AVISHKAR_REPLICA_ID } }) => HOME?.startsWith(home) && AVISHKAR_REPLICA_ID !== undefined,
    );
}

/** All that runs in containers of the fleet's VMs, but for the process that Docker puts before each app. */
export function fleetProcesses(fleet: string): { pid: string; environment: Record<string, string> }[] {
  const ours = `/avishkar-fleet/${basename(fleet)}-`;
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => read(pid, 'cgroup').includes(ours) && read(pid, 'cgroup').includes('/docker/'))
    .filter((pid) => !read(pid, 'cmdline').startsWith('/sbin/docker-init'))
    .map((pid) => ({ pid, environment: environmentOf(pid) }));
}

/** Everything that runs with something below this folder in its environment or arguments. */
export function processesBelow(folder: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((entry) => read(entry, 'environ').includes(folder) || read(entry, 'cmdline').includes(folder))
    .map(Number);
}

function environmentOf(pid: string): Record<string, string> {
  return Object.fromEntries(
    read(pid, 'environ')
      .split('\0')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

/** Empty when the process has just ended. */
function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

/** Program and arguments of a process; empty when it has just ended. */
export function commandLineOf(pid: number): string[] {
  return read(String(pid), 'cmdline').split('\0').slice(0, -1);
}
