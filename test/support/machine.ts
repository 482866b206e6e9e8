import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { FLEET, type Home } from './platform.ts';
import { fleetProcesses, processesBelow } from './processes.ts';

/*
 * What tests look at on the machines themselves, behind the platform's back: folders and processes of this one where
 * machines are pretended, Docker where they are VMs of a fleet.
 */

const NODES = 3;

/** Names of an instance's containers, running or not. */
export function containersOf(home: Home, instance: string): string[] {
  const names = eachNode(
    (vm) => docker(vm, 'ps', '--all', '--format', '{{.Names}}'),
    (node) => {
      return folders(join(home.directory, 'nodes', node, 'containers'));
    },
  );
  return names.filter((name) => name.startsWith(`${instance}_instance_`));
}

/** Images of an app's versions, one entry per machine that has it. */
export function imagesOf(home: Home, app: string): string[] {
  if (FLEET === null) {
    const all = eachNode(
      () => [],
      (node) => folders(join(home.directory, 'nodes', node, 'images')),
    );
    return all.filter((image) => image.startsWith(`${app}@`));
  }
  const all = eachNode(
    (vm) => docker(vm, 'images', '--format', '{{.Repository}}'),
    () => [],
  );
  return all.filter((image) => image === app);
}

/** Processes that preparing an app started, and that run now. */
export function buildProcesses(home: Home, platform: number): number[] {
  if (FLEET === null) return processesBelow(home.directory).filter((pid) => pid !== platform);
  return fleetProcesses(FLEET).flatMap(({ pid, environment }) =>
    environment.AVISHKAR_REPLICA === undefined ? [Number(pid)] : [],
  );
}

/** What containers keep on disk besides their images: their output. */
export function outputBytes(home: Home): number {
  if (FLEET === null) return sizeOf(join(home.directory, 'nodes'));
  return eachNode(
    (vm) => inVm(vm, 'du', '-sb', '/var/lib/docker/containers'),
    () => [],
  )
    .map((line) => Number.parseInt(line, 10))
    .reduce((sum, bytes) => sum + bytes, 0);
}

/** Has another program listen on a port of the first machine. */
export async function occupyPort(port: number): Promise<{ close(): Promise<void> }> {
  if (FLEET === null) {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return { close: () => new Promise((resolve) => server.close(() => resolve())) };
  }
  const program = `require('node:net').createServer().listen(${port}, () => console.log('listens'))`;
  const child = spawn('nsenter', ['--net', '--target', pidOf('VM1'), process.execPath, '-e', program]);
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`port ${port} cannot be taken on VM1: ${code}`)));
  });
  return {
    close: () =>
      new Promise((resolve) => {
        child.removeAllListeners('exit').once('exit', () => resolve());
        child.kill();
      }),
  };
}

function eachNode(onVm: (vm: string) => string[], pretended: (node: string) => string[]): string[] {
  if (FLEET === null) return Array.from({ length: NODES }, (_, index) => pretended(`node${index + 1}`)).flat();
  return readdirSync(FLEET)
    .filter((name) => name.startsWith('VM'))
    .flatMap(onVm);
}

function docker(vm: string, ...args: string[]): string[] {
  return inVm(vm, 'docker', ...args);
}

function inVm(vm: string, ...argv: string[]): string[] {
  const text = execFileSync('nsenter', ['--target', pidOf(vm), '--all', '--wd=/', '--', ...argv], { encoding: 'utf8' });
  return text.split('\n').filter((line) => line !== '');
}

function pidOf(vm: string): string {
  return readFileSync(join(FLEET ?? '', vm, 'pid'), 'utf8').trim();
}

/** Empty where there is no such folder: a machine that nothing was put on. */
function folders(path: string): string[] {
  return statSync(path, { throwIfNoEntry: false }) ? readdirSync(path) : [];
}

function sizeOf(folder: string): number {
  let total = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) total += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return total;
}
