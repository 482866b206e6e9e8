import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, constants, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Api } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, newHome, ROOT } from '../support/platform.ts';
import type { Fleet } from './fleet.ts';
import type { FleetVm } from './vm.ts';

export const KILLABLE = join(ROOT, 'test/support/killable.ts');

/** A home with an avishkar.yml that names the fleet's VMs, and further settings; NGINX is on the first. */
export function fleetHome(fleet: Fleet, settings: object = {}): { home: Home; flags: string[] } {
  const home = newHome();
  const config = join(home.directory, 'avishkar.yml');
  writeFileSync(config, JSON.stringify({ vms: fleet.vmDetails, loadBalancer: { vm: 'VM1' }, ...settings }));
  return { home, flags: ['--config', config] };
}

export function vmNamed(fleet: Fleet, name: string | null | undefined): FleetVm {
  const vm = fleet.vms.find((each) => each.name === name);
  assert.ok(vm, `there is no ${name}`);
  return vm;
}

/** Names of the replicas of an instance that a VM has, running or not, as Docker there has them. */
export async function replicasOn(vm: FleetVm, instance: string): Promise<string[]> {
  const filter = ['--filter', `label=avishkar.instance=${instance}`];
  const { stdout } = await vm.exec(['docker', 'ps', '--all', ...filter, '--format', '{{.Names}}']);
  return stdout.split('\n').filter((line) => line !== '');
}

const IN_A_ROW = 10;

/** Waits until the address answers each time. */
export async function serves(endpoint: string | null, deadlineMs = 30_000): Promise<void> {
  const ask = async (): Promise<number> => {
    const response = await fetch(endpoint ?? '', { signal: AbortSignal.timeout(2000) });
    await response.arrayBuffer();
    return response.status;
  };
  await eventually(
    async () => {
      for (let count = 0; count < IN_A_ROW; count += 1) if ((await ask()) !== 200) return false;
      return true;
    },
    { deadlineMs },
  );
}

/** Waits until the machine has the state for the platform. */
export async function nodeIs(api: Api, name: string, state: string, deadlineMs = 30_000): Promise<void> {
  await eventually(
    async () => {
      const { nodes } = await api.get<{ nodes: { name: string; state: string }[] }>('/api/nodes/');
      return nodes.find((node) => node.name === name)?.state === state;
    },
    { deadlineMs },
  );
}

/** A client that never stops asking, each time over a connection of its own. */
export function neverStopsAsking(url: string): { failures: string[]; asked: () => number; stop: () => Promise<void> } {
  const failures: string[] = [];
  let asked = 0;
  let over = false;
  const once = (): Promise<void> =>
    new Promise((resolve) => {
      asked += 1;
      const request = get(url, { agent: false, timeout: 10_000 }, (response) => {
        if (response.statusCode !== 200) failures.push(`${new Date().toISOString()} status ${response.statusCode}`);
        response.on('error', (error) => failures.push(error.message)).on('close', resolve);
        response.resume();
      });
      request.on('timeout', () => request.destroy(new Error('no answer within 10 s')));
      request.on('error', (error) => {
        failures.push(`${new Date().toISOString()} ${error.message}`);
        resolve();
      });
    });
  const loop = (async () => {
    while (!over) {
      await once();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return {
    failures,
    asked: () => asked,
    async stop() {
      over = true;
      await loop;
    },
  };
}

/** A pipe at which a platform holds its breath; writing to it lets it go on. */
export async function makePipe(path: string): Promise<() => void> {
  await new Promise<void>((resolve, reject) => {
    spawn('mkfifo', [path]).once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`mkfifo: ${code}`))));
  });
  return () => writeFileSync(path, 'go on\n');
}

/** Takes a pipe away at which the platform may hold its breath after all, or never will. */
export function takePipeAway(path: string): void {
  try {
    const pipe = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    writeSync(pipe, 'go on\n');
    closeSync(pipe);
  } catch (error) {
    // Nobody reads it.
    if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
    rmSync(path);
  }
}

/** The machine that the deployment was last sent to, from the deployment manager's own tables. */
export function placeOf(home: Home, instance: string): string {
  const db = new DatabaseSync(join(home.directory, 'state', 'deployment-manager.db'), { readOnly: true });
  try {
    const row = db.prepare(`SELECT context FROM sagas WHERE kind = 'deploy' AND subject = ?`).get(instance);
    return (JSON.parse(String(row?.context)) as { node: string }).node;
  } finally {
    db.close();
  }
}
