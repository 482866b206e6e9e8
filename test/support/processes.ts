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
  const found: AppProcess[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const environment = environmentOf(entry);
    if (FLEET === null ? !isBelow(home, environment) : !isApp(entry, environment, FLEET)) continue;
    found.push({
      pid: Number(entry),
      replicaId: environment.AVISHKAR_REPLICA_ID ?? '',
      instance: environment.AVISHKAR_INSTANCE ?? '',
    });
  }
  return found;
}

function isBelow(home: string, environment: Record<string, string>): boolean {
  return environment.HOME?.startsWith(home) === true && environment.AVISHKAR_REPLICA_ID !== undefined;
}

/** In a container of a VM of the fleet: the app's own process, not the one that Docker put before it. */
function isApp(pid: string, environment: Record<string, string>, fleet: string): boolean {
  if (environment.AVISHKAR_REPLICA === undefined) return false;
  const ours = read(pid, 'cgroup').includes(`/avishkar-fleet/${basename(fleet)}-`);
  return ours && !read(pid, 'cmdline').startsWith('/sbin/docker-init');
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
