import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { FLEET } from './platform.ts';
import { docker, vms } from './vms.ts';

/** A process of an app under test. */
export interface AppProcess {
  pid: number;
  replicaId: string;
  instance: string;
}

/** All running processes that belong to replicas of the platform with this home; on a fleet, of any platform. */
export function appProcesses(home: string): AppProcess[] {
  return FLEET === null ? processesOf(home) : containerProcesses(FLEET);
}

/** Replicas that a platform which has ended left running: none, as child processes end with it. Containers go on. */
export function outlivedBy(home: string): AppProcess[] {
  return FLEET === null ? appProcesses(home) : [];
}

/** Which of these still run when their platform has stopped in order: no child process, every container. */
export function goOn(running: readonly AppProcess[]): AppProcess[] {
  return FLEET === null ? [] : [...running];
}

/** By their environment. */
function processesOf(home: string): AppProcess[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((pid) => ({ pid, environment: environmentOf(pid) }))
    .filter(({ environment: { HOME } }) => HOME?.startsWith(home))
    .flatMap(({ pid, environment: { AVISHKAR_REPLICA_ID: replicaId, AVISHKAR_INSTANCE: instance = '' } }) =>
      replicaId === undefined ? [] : [{ pid: Number(pid), replicaId, instance }],
    );
}

/** By their containers' labels: apps in containers are not told which replica they are of all that ever were. */
function containerProcesses(fleet: string): AppProcess[] {
  const running = fleetProcesses(fleet).filter(({ environment }) => environment.AVISHKAR_REPLICA !== undefined);
  if (running.length === 0) return [];
  const format = '{{.ID}} {{.Label "avishkar.replica"}}';
  const labels = new Map(
    vms()
      .flatMap((vm) => docker(vm, 'ps', '--all', '--no-trunc', '--format', format))
      .map((line) => line.split(' ') as [string, string]),
  );
  return running.map(({ pid, container, environment }) => ({
    pid: Number(pid),
    replicaId: labels.get(container) ?? '',
    instance: environment.AVISHKAR_INSTANCE ?? '',
  }));
}

/** All that runs in containers of the fleet's VMs, but for the process that Docker puts before each app. */
export function fleetProcesses(
  fleet: string,
): { pid: string; container: string; environment: Record<string, string> }[] {
  const ours = `/avishkar-fleet/${basename(fleet)}-`;
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((pid) => ({ pid, cgroup: read(pid, 'cgroup') }))
    .filter(({ cgroup }) => cgroup.includes(ours) && cgroup.includes('/docker/'))
    .filter(({ pid }) => !read(pid, 'cmdline').startsWith('/sbin/docker-init'))
    .map(({ pid, cgroup }) => ({
      pid,
      container: /\/docker\/([0-9a-f]{64})/.exec(cgroup)?.[1] ?? '',
      environment: environmentOf(pid),
    }));
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
