import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { eventually } from '../support/eventually.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';
import type { FleetVm } from './vm.ts';

const run = promisify(execFile);
const DEADLINE = { deadlineMs: 60_000 };

describe('a fleet of fake VMs', fleetOrSkip(), () => {
  let fleet: Fleet;
  let vm: FleetVm;

  before(async () => {
    fleet = await bringUpFleet(2);
    vm = fleet.vms[0] as FleetVm;
  });
  after(() => fleet?.down());

  test('a VM of a fleet is a machine of its own', async () => {
    const [one, two] = fleet.vms.map((each) => each.address);
    assert.notEqual(one, two);
    const hello = await ssh(vm, 'hostname; id -un; docker run --rm node:24-slim node -p 1+1; sudo -n nginx -s reload');
    assert.match(hello, /^VM1\navishkar\n2\n/);
    for (const more of ['id', 'nginx -T']) await assert.rejects(ssh(vm, `sudo -n ${more}`), /password/);
    await vm.exec(['touch', '/etc/only-here']);
    assert.equal(existsSync('/etc/only-here'), false);
    assert.notEqual((await (fleet.vms[1] as FleetVm).exec(['ls', '/etc/only-here'])).exitCode, 0);
  });

  test('a VM of a fleet can be cut off, filled up, and switched off and on with its disk', async () => {
    await vm.cut();
    await assert.rejects(reach(vm.address), /did not answer/);
    await vm.heal();
    await eventually(() => reach(vm.address), DEADLINE);
    await vm.fillDisk();
    assert.notEqual((await vm.exec(['sh', '-c', 'echo more > /more'])).exitCode, 0);
    await vm.freeDisk();
    await vm.exec(['sh', '-c', 'echo kept > /kept']);
    await vm.powerOff();
    await assert.rejects(reach(vm.address));
    await vm.powerOn();
    assert.equal((await vm.exec(['cat', '/kept'])).stdout, 'kept\n');
    for (const daemon of ['sshd', 'dockerd', 'nginx'] as const) {
      await vm.kill(daemon);
      await vm.begin(daemon);
    }
    assert.match(await ssh(vm, 'docker images -q node:24-slim'), /^[0-9a-f]{12}/);
  });

  test('a fleet whose owner is killed leaves nothing behind', async () => {
    const program =
      "import { bringUpFleet } from './fleet.ts'; const { directory } = await bringUpFleet(1); console.log(directory); setInterval(() => {}, 1e9);";
    const owner = spawn(process.execPath, ['--input-type=module', '-e', program], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    owner.stdout.on('data', (chunk) => {
      said += chunk;
    });
    const directory = await eventually(() => (said.endsWith('\n') ? said.trim() : null), DEADLINE);
    const pid = (await readFile(join(directory, 'VM1', 'pid'), 'utf8')).trim();
    owner.kill('SIGKILL');
    await eventually(() => !existsSync(directory), DEADLINE);
    assert.equal(existsSync(`/proc/${pid}/root/etc`), false);
    const slot = directory.split('/').at(-1);
    assert.doesNotMatch((await run('ip', ['link'])).stdout, new RegExp(`avkfleet${slot}\\b|avk${slot}-`));
    assert.doesNotMatch(await readFile('/proc/mounts', 'utf8'), new RegExp(`avishkar-fleet/${slot}/`));
    assert.doesNotMatch((await run('iptables', ['-S', 'FORWARD'])).stdout, new RegExp(`avkfleet${slot}\\b`));
  });

  test('the fleet command says how it is used', async () => {
    const main = join(import.meta.dirname, 'main.ts');
    for (const args of [[], ['up'], ['up', '0'], ['up', '2', 'x'], ['down', '1'], ['sideways']]) {
      await assert.rejects(run(process.execPath, [main, ...args]), { code: 2, stderr: /usage: npm run fleet -- up N/ });
    }
  });
});

async function ssh(vm: FleetVm, command: string): Promise<string> {
  const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR', 'BatchMode=yes'];
  const flags = options.flatMap((option) => ['-o', option]);
  const { stdout } = await run('ssh', [...flags, '-i', vm.keyPath, `${vm.user}@${vm.address}`, command]);
  return stdout;
}

/** Connects to the VM's sshd. */
function reach(host: string): Promise<true> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: 22, timeout: 1500 });
    socket.on('connect', () => resolve(true)).on('error', reject);
    socket.on('timeout', () => reject(new Error(`${host} did not answer`)));
    socket.on('close', () => socket.destroy());
  });
}
