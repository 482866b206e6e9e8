import { execFile, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { copyFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { VmEntry } from '../../src/domain/service-entry.ts';
import { eventually } from '../support/eventually.ts';
import { createVm, type FleetVm, startTicks } from './vm.ts';

const run = promisify(execFile);
const HERE = import.meta.dirname;
const ROOT = '/run/avishkar-fleet';
/** Slot 0 is the operator's, of `npm run fleet`; tests take one of the others. */
const SLOTS = 64;
const DISK_MIB = 3072;
/** Made once per checkout and Node: nothing of a fleet is in them. */
const IMAGES = join(HERE, '..', '..', 'node_modules', '.cache', 'avishkar-fleet', process.version);
export const BASE_IMAGES = { node: 'node:24-slim', python: 'python:3.13-slim' };
const BOOT_DEADLINE_MS = 90_000;

/** Fake VMs on this machine: namespaces with a root file system, an address, an sshd, a dockerd and an nginx each. */
export interface Fleet {
  vms: FleetVm[];
  /** Holds all that is there of it. */
  directory: string;
  /** As vm-details.json has them. */
  vmDetails: VmEntry[];
  /** This machine, as the VMs see it. */
  gateway: string;
  down(): Promise<void>;
}

export interface FleetOptions {
  slot?: number;
  /** Goes on after this process; otherwise it goes down with it, however that ends. */
  keep?: boolean;
  progress?: (sentence: string) => void;
}

/** Why there can be no fleet on this machine, or null. */
export function noFleet(): string | null {
  if (process.platform !== 'linux') return 'a fleet needs Linux';
  if (process.getuid?.() !== 0) return 'a fleet needs root';
  const path = `${process.env.PATH}${delimiter}/usr/sbin${delimiter}/sbin`.split(delimiter);
  const missing = [
    'dockerd',
    'nginx',
    'sshd',
    'ip',
    'iptables',
    'unshare',
    'nsenter',
    'tini',
    'sudo',
    'busybox',
  ].filter((program) => !path.some((folder) => existsSync(join(folder, program))));
  return missing.length > 0 ? `a fleet needs ${missing.join(', ')}` : null;
}

/** For `describe` and `test`: skips without a fleet, but fails where all engines have to be there. */
export function fleetOrSkip(): { skip: string | false } {
  return { skip: process.env.CI === 'true' ? false : (noFleet() ?? false) };
}

/** Brings up so many VMs: VM1, VM2, … Progress and the reason of a failure are said in sentences. */
export async function bringUpFleet(count: number, options: FleetOptions = {}): Promise<Fleet> {
  const { keep = false, progress = () => undefined } = options;
  const missing = noFleet();
  if (missing) throw new Error(missing);
  await makeBaseImages(progress);
  const slot = await takeSlot(options.slot);
  const directory = join(ROOT, String(slot));
  const guard = spawn('sh', [join(directory, 'guard.sh'), directory], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  guard.stdin.on('error', () => undefined);
  const down = async (): Promise<void> => {
    await run('sh', [join(HERE, 'down.sh'), directory]);
    guard.stdin.end('keep\n');
  };
  try {
    const gateway = `10.77.${slot}.1`;
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'fleet', '-f', join(directory, 'key')]);
    await makeBridge(`avkfleet${slot}`, gateway);
    const vms = Array.from({ length: count }, (_, index) =>
      createVm({ directory, slot, name: `VM${index + 1}`, address: `10.77.${slot}.${11 + index}`, boot }),
    );
    progress(`starting ${count} ${count === 1 ? 'VM' : 'VMs'}`);
    await Promise.all(vms.map((vm) => boot(directory, slot, vm.name, vm.address, true)));
    progress('bringing the base images onto them');
    await Promise.all(vms.map(importBaseImages));
    const vmDetails = vms.map(
      (vm): VmEntry => ({
        vm_name: vm.name,
        vm_ip: vm.address,
        vm_username: vm.user,
        vm_key_path: vm.keyPath,
        vm_service_path: vm.servicePath,
      }),
    );
    await writeFile(join(directory, 'vm-details.json'), `${JSON.stringify(vmDetails, null, 2)}\n`);
    if (keep) {
      await rm(join(directory, 'owner'));
      guard.stdin.end('keep\n');
    } else {
      guard.stdin.write('');
      // A pipe alone is no reason to go on.
      (guard.stdin as unknown as { unref?: () => void }).unref?.();
    }
    return { vms, directory, vmDetails, gateway, down };
  } catch (error) {
    await down();
    throw error;
  }
}

/** Takes the fleet of a slot down. Harmless when there is none. */
export async function takeDownFleet(slot: number): Promise<void> {
  await run('sh', [join(HERE, 'down.sh'), join(ROOT, String(slot))]);
}

async function takeSlot(wanted?: number): Promise<number> {
  mkdirSync(ROOT, { recursive: true });
  await sweep();
  const slots = wanted === undefined ? Array.from({ length: SLOTS - 1 }, (_, index) => index + 1) : [wanted];
  for (const slot of slots) {
    const directory = join(ROOT, String(slot));
    try {
      mkdirSync(directory);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') continue;
      // The last fleet took the root away just now.
      if (code === 'ENOENT') return takeSlot(wanted);
      throw error;
    }
    writeFileSync(join(directory, 'owner'), `${process.pid} ${startTicks(process.pid)}`);
    for (const script of ['daemon.sh', 'down.sh', 'power-off.sh', 'guard.sh'])
      await copyFile(join(HERE, script), join(directory, script));
    return slot;
  }
  throw new Error(wanted === undefined ? `all ${SLOTS} fleets are taken` : `fleet ${wanted} is up already`);
}

/** Takes down what is left of fleets whose owner and whose guard were both killed. */
async function sweep(): Promise<void> {
  const slots = await readdir(ROOT).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  for (const slot of slots) {
    const file = join(ROOT, slot, 'owner');
    if (!existsSync(file)) continue;
    const [pid, ticks] = readFileSync(file, 'utf8').split(' ').map(Number);
    if (pid && startTicks(pid) !== ticks) await run('sh', [join(HERE, 'down.sh'), join(ROOT, slot)]);
  }
}

async function makeBridge(name: string, address: string): Promise<void> {
  await run('ip', ['link', 'add', name, 'type', 'bridge']);
  await run('ip', ['address', 'add', `${address}/24`, 'dev', name]);
  await run('ip', ['link', 'set', name, 'up']);
  // A dockerd of this machine, had it one, would forbid forwarding.
  await run('iptables', ['-I', 'FORWARD', '-i', name, '-o', name, '-j', 'ACCEPT']);
}

/** Starts a VM, with a disk of its own that outlives its power, and waits until all its daemons serve. */
async function boot(directory: string, slot: number, name: string, address: string, first: boolean): Promise<void> {
  const folder = join(directory, name);
  const disk = join(folder, 'disk');
  if (first) {
    mkdirSync(disk, { recursive: true });
    await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m,mode=755`, `avkfleet-${slot}-${name}`, disk]);
  }
  const log = openSync(join(folder, 'boot.log'), 'a');
  const power = spawn('sh', [join(HERE, 'vm-boot.sh'), directory, name, address], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let ended = false;
  power.once('exit', () => {
    ended = true;
  });
  power.unref();
  const reached = (file: string): Promise<unknown> =>
    eventually(
      () => {
        if (ended) throw new Error(`${name} did not start:\n${readFileSync(join(folder, 'boot.log'), 'utf8')}`);
        return existsSync(join(folder, file));
      },
      { deadlineMs: BOOT_DEADLINE_MS },
    );
  await reached('pid');
  const pid = readFileSync(join(folder, 'pid'), 'utf8').trim();
  const card = `avk${slot}-${name}`;
  // The same each time: its neighbours remember it over a loss of power.
  const last = Number(address.split('.').at(-1)).toString(16).padStart(2, '0');
  const mac = `02:0a:4d:00:${slot.toString(16).padStart(2, '0')}:${last}`;
  await run('ip', ['link', 'add', card, 'type', 'veth', 'peer', 'name', 'eth0', 'address', mac, 'netns', pid]);
  await run('ip', ['link', 'set', card, 'master', `avkfleet${slot}`, 'up']);
  await reached('ready');
}

async function makeBaseImages(progress: (sentence: string) => void): Promise<void> {
  if (existsSync(IMAGES)) return;
  progress('making the base images');
  const partial = `${IMAGES}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  await run('sh', [join(HERE, 'base-images.sh'), process.execPath, npmFolder(), partial]);
  await rename(partial, IMAGES).catch(async (error) => {
    // Another process was faster.
    await rm(partial, { recursive: true });
    if (!existsSync(IMAGES)) throw error;
  });
}

/** Where npm is on this machine: `npm` on the path is a link into its package. */
function npmFolder(): string {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const program = join(folder, 'npm');
    if (existsSync(program)) return dirname(dirname(realpathSync(program)));
  }
  throw new Error('npm is not on the path');
}

async function importBaseImages(vm: FleetVm): Promise<void> {
  for (const [kind, image] of Object.entries(BASE_IMAGES)) {
    // Through the VM's standard input, as the checkout is not to be seen from there.
    const { exitCode, stderr } = await vm.exec(
      ['docker', 'import', '--change', 'ENV PATH=/usr/local/bin:/usr/bin:/bin', '-', image],
      { stdinFile: join(IMAGES, `${kind}.tar`) },
    );
    if (exitCode !== 0) throw new Error(`${image} could not be brought onto ${vm.name}: ${stderr}`);
  }
}
