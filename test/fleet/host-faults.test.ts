import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, afterEach, before, describe, test } from 'node:test';
import type { SshHostOptions } from '../../src/adapters/host/ssh/ssh.ts';
import type { AvkError } from '../../src/domain/errors.ts';
import type { Host } from '../../src/ports/host.ts';
import { eventually } from '../support/eventually.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';
import { createSshLab, running, type SshLab } from './ssh-lab.ts';
import type { FleetVm } from './vm.ts';

const never = new AbortController().signal;
const HEALED = { deadlineMs: 30_000, everyMs: 100 };

describe('what can happen to a machine over SSH', { ...fleetOrSkip(), timeout: 200_000 }, () => {
  let fleet: Fleet;
  let vm: FleetVm;
  const labs: SshLab[] = [];

  before(async () => {
    fleet = await bringUpFleet(1);
    vm = fleet.vms[0] as FleetVm;
  });
  afterEach(async () => {
    for (const lab of labs.splice(0)) await lab.cleanup();
  });
  after(() => fleet?.down());

  const reach = async (changes: Partial<SshHostOptions> = {}): Promise<SshLab> => {
    const lab = await createSshLab(vm, changes);
    labs.push(lab);
    return lab;
  };
  const works = async (host: Host): Promise<true> => {
    assert.equal((await host.run(['id', '-un'], { signal: never })).stdout, 'avishkar\n');
    return true;
  };
  const failure = async (host: Host): Promise<AvkError> => {
    const error: unknown = await works(host).then(
      () => new Error('it worked'),
      (reason: unknown) => reason,
    );
    assert.ok((error as AvkError).code, String(error));
    return error as AvkError;
  };
  const probes = (): Promise<string[]> => running(vm, 'nr_descendants');

  test('when sshd is restarted, calls fail with its name meanwhile, and then go on by themselves', async () => {
    const { host } = await reach();
    await works(host);
    const work = host.run(['sleep', '600'], { signal: never });
    work.catch(() => undefined);
    await eventually(async () => (await running(vm, 'sleep 600')).length > 0);
    await vm.kill('sshd');
    await assert.rejects(work, { code: 'AVK_HOST_UNREACHABLE' });
    const error = await failure(host);
    assert.equal(error.code, 'AVK_HOST_UNREACHABLE');
    assert.match(
      error.message,
      new RegExp(`^VM1 \\(${vm.address}\\) cannot be reached over SSH: nothing listens there`),
    );
    assert.equal(error.retryable, true);
    const begun = performance.now();
    await failure(host);
    assert.ok(performance.now() - begun < 100, 'it fails at once while it waits for another try');
    await vm.begin('sshd');
    await eventually(() => works(host), HEALED);
  });

  test('a machine with another host key is refused until its pin is removed', async () => {
    const { host, pins, said } = await reach();
    await works(host);
    const known = JSON.parse(readFileSync(pins, 'utf8')).VM1;
    assert.match(known, /^ssh-ed25519 SHA256:/);
    await vm.newHostKey();
    const error = await eventually(async () => {
      const each = await failure(host);
      return each.code === 'AVK_HOST_KEY_CHANGED' && each;
    }, HEALED);
    const shown = (await vm.exec(['ssh-keygen', '-lf', '/etc/ssh/fleet_host_key'])).stdout.split(' ')[1] ?? '?';
    for (const part of ['VM1', vm.address, known, shown, `remove VM1 from ${pins}`]) {
      assert.ok(error.message.includes(part), `${error.message} should say ${part}`);
    }
    assert.equal(error.retryable, false);
    assert.ok(said.some((sentence) => sentence.includes(shown)));
    writeFileSync(pins, '{}');
    await eventually(() => works(host), HEALED);
    assert.equal(JSON.parse(readFileSync(pins, 'utf8')).VM1, `ssh-ed25519 ${shown}`);
  });

  test('a machine is held to the host key of the configuration', async () => {
    const key = (await vm.exec(['cat', '/etc/ssh/fleet_host_key.pub'])).stdout;
    const { host, pins } = await reach({ hostKey: key });
    await works(host);
    assert.equal(existsSync(pins), false, 'what is given is not pinned');
    const other = `SHA256:${'x'.repeat(43)}`;
    const error = await failure((await reach({ hostKey: other })).host);
    assert.equal(error.code, 'AVK_HOST_KEY_CHANGED');
    assert.ok(error.message.includes(other) && error.message.includes('correct its hostKey there'), error.message);
  });

  test('a key that the machine does not know is refused with what to do, and works once it knows it', async () => {
    const path = join(fleet.directory, 'stranger');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
    const { host } = await reach({ privateKey: { path } });
    const error = await failure(host);
    assert.equal(error.code, 'AVK_HOST_REFUSED');
    for (const part of ['VM1', vm.address, 'the user avishkar', path, 'authorized_keys', 'ssh-copy-id']) {
      assert.ok(error.message.includes(part), `${error.message} should say ${part}`);
    }
    const authorize = 'cat >> /home/avishkar/.ssh/authorized_keys';
    await vm.exec(['sh', '-c', authorize], { stdin: readFileSync(`${path}.pub`, 'utf8') });
    await eventually(() => works(host), HEALED);
  });

  test('a private key that others can read is not used', async () => {
    const path = join(fleet.directory, 'open');
    copyFileSync(vm.keyPath, path);
    chmodSync(path, 0o644);
    const { host } = await reach({ privateKey: { path } });
    const error = await failure(host);
    assert.equal(error.code, 'AVK_HOST_REFUSED');
    assert.match(error.message, /^The platform cannot sign in to VM1: others .*: chmod 600 /);
    chmodSync(path, 0o600);
    await eventually(() => works(host), HEALED);
  });

  test('a user who may not run programs is said to be one', async () => {
    await vm.exec(['usermod', '-s', '/usr/sbin/nologin', 'avishkar']);
    try {
      const error = await failure((await reach()).host);
      assert.equal(error.code, 'AVK_HOST_REFUSED');
      assert.match(error.message, /did not run id; the shell of the user avishkar answered: .*not available/);
    } finally {
      await vm.exec(['usermod', '-s', '/bin/bash', 'avishkar']);
    }
  });

  test('calls to a machine that is cut off fail in seconds, and go on when it is back', async () => {
    const { host } = await reach();
    await works(host);
    const samples = (async () => {
      for await (const _ of host.probe({ everyMs: 200, signal: never }));
    })();
    const calls = [
      host.run(['sleep', '600'], { signal: never }),
      buffer(await host.connect({ socket: '/var/run/docker.sock' }, { signal: never })),
      samples,
    ];
    const ends = calls.map((each) =>
      each.then(
        () => 'done',
        (error: AvkError) => error.code,
      ),
    );
    await eventually(async () => (await probes()).length > 0);
    await vm.cut();
    const begun = performance.now();
    const late = host.putFile('/tmp/late', 'x', { signal: never }).catch((error: AvkError) => error.code);
    assert.deepEqual(await Promise.all([...ends, late]), [
      'AVK_HOST_UNREACHABLE',
      'AVK_HOST_UNREACHABLE',
      'AVK_HOST_UNREACHABLE',
      'AVK_HOST_UNREACHABLE',
    ]);
    const took = performance.now() - begun;
    assert.ok(took < 6_000, `it took ${took} ms`);
    const error = await failure(host);
    assert.equal(error.code, 'AVK_HOST_UNREACHABLE');
    assert.match(error.message, /it does not answer|there is no way to that address/);
    await vm.heal();
    await eventually(() => works(host), HEALED);
  });

  test('no probe is left on a machine that is cut off, nor when the platform is killed', async () => {
    const program = `
      import { createSshLab } from './ssh-lab.ts';
      const { host } = await createSshLab(${JSON.stringify({ name: vm.name, address: vm.address, user: vm.user, keyPath: vm.keyPath, servicePath: vm.servicePath })});
      for await (const sample of host.probe({ everyMs: 200, signal: new AbortController().signal })) console.log(sample.at);`;
    const begin = () => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
        cwd: import.meta.dirname,
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      child.stdout.resume();
      return child;
    };
    const seen = (): Promise<unknown> => eventually(async () => (await probes()).length > 0, HEALED);
    const gone = (deadlineMs: number): Promise<unknown> =>
      eventually(async () => (await probes()).length === 0, { deadlineMs, everyMs: 250 });
    await gone(45_000);
    const first = begin();
    await seen();
    first.kill('SIGKILL');
    await gone(5_000);
    const second = begin();
    await seen();
    await vm.cut();
    await gone(60_000);
    second.kill('SIGKILL');
    await vm.heal();
  });

  test('a file that a full disk has no room for is not written, with the machine’s name', async () => {
    const { host } = await reach();
    const path = '/home/avishkar/on/a/full/disk';
    await vm.fillDisk();
    try {
      await assert.rejects(host.putFile(path, 'x'.repeat(100_000), { signal: never }), {
        code: 'AVK_DISK_FULL',
        message: `The disk of VM1 is full, so ${path} could not be written.`,
      });
    } finally {
      await vm.freeDisk();
    }
    await host.putFile(path, 'x', { signal: never });
    const { stdout } = await host.run(['ls', '-A', '/home/avishkar/on/a/full'], { signal: never });
    assert.equal(stdout, 'disk\n');
    await assert.rejects(host.putFile('/etc/avishkar', 'x', { signal: never }), {
      code: 'EACCES',
      message: '/etc/avishkar cannot be written on VM1: the user avishkar may not',
    });
  });

  test('a machine that lets nobody connect through it says so', async () => {
    const settings = '/etc/ssh/fleet_sshd_config';
    const forwarding = async (allowed: 'yes' | 'no'): Promise<void> => {
      await vm.exec(['sed', '-i', '/DisableForwarding/d', settings]);
      if (allowed === 'no') await vm.exec(['sh', '-c', `echo DisableForwarding yes >> ${settings}`]);
      await vm.kill('sshd');
      await vm.begin('sshd');
    };
    await forwarding('no');
    try {
      const { host } = await reach();
      const refusal = { code: 'AVK_HOST_REFUSED', message: /AllowTcpForwarding and AllowStreamLocalForwarding/ };
      await assert.rejects(host.connect({ ip: '127.0.0.1', port: 80 }, { signal: never }), refusal);
      await assert.rejects(host.connect({ socket: '/var/run/docker.sock' }, { signal: never }), refusal);
    } finally {
      await forwarding('yes');
    }
  });
});
