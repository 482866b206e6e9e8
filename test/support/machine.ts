import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { VmEntry } from '../../src/domain/service-entry.ts';
import { FLEET, type Home } from './platform.ts';
import { fleetProcesses, processesBelow } from './processes.ts';
import { docker, inVm, pidOf, vms } from './vms.ts';

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

/** A machine of the platform, as the starting document's vm-details.json has it. */
export function machineOf(home: Home, node: string): VmEntry {
  if (FLEET === null) {
    return {
      vm_name: node,
      vm_ip: `127.0.0.${numberOf(node)}`,
      vm_username: userInfo().username,
      vm_key_path: '',
      vm_service_path: join(home.directory, 'nodes', node),
    };
  }
  const entry = (JSON.parse(readFileSync(join(FLEET, 'vm-details.json'), 'utf8')) as VmEntry[])[numberOf(node) - 1];
  if (!entry) throw new Error(`the fleet has no machine for ${node}`);
  return { ...entry, vm_name: node };
}

/** Has another program listen on a port of the first machine. */
export async function occupyPort(port: number): Promise<{ close(): Promise<void> }> {
  return serveApart('node1', port);
}

/** A server on a machine that the platform did not start; it says which path it was asked for. Default a free port. */
export async function serveApart(node: string, port = 0): Promise<{ port: number; close(): Promise<void> }> {
  return FLEET === null ? serveHere(`127.0.0.${numberOf(node)}`, port) : serveOnVm(`VM${numberOf(node)}`, port);
}

async function serveHere(address: string, wanted: number): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => response.end(`container at ${request.url}`));
  await new Promise<void>((resolve) => server.listen(wanted, address, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The same in the VM's network, by this machine's Node. */
async function serveOnVm(vm: string, wanted: number): Promise<{ port: number; close(): Promise<void> }> {
  const program = `const server = require('node:http')
    .createServer((request, response) => response.end('container at ' + request.url))
    .listen(${wanted}, () => console.log(server.address().port));`;
  const child = spawn('nsenter', ['--net', '--target', pidOf(vm), process.execPath, '-e', program]);
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.once('data', (line) => resolve(Number(line)));
    child.once('exit', (code) => reject(new Error(`port ${wanted} cannot be taken on ${vm}: ${code}`)));
  });
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        child.removeAllListeners('exit').once('exit', () => resolve());
        child.kill();
      }),
  };
}

function numberOf(node: string): number {
  return Number(node.replace('node', ''));
}

function eachNode(onVm: (vm: string) => string[], pretended: (node: string) => string[]): string[] {
  if (FLEET === null) return Array.from({ length: NODES }, (_, index) => pretended(`node${index + 1}`)).flat();
  return vms().flatMap(onVm);
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
