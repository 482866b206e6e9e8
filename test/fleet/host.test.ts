import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { get, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { systemClock } from '../../src/adapters/clock/system.ts';
import type { CommandResult, Host, HostSample } from '../../src/ports/host.ts';
import { hostContract } from '../contracts/host.contract.ts';
import { eventually } from '../support/eventually.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';
import { createSshHarness, createSshLab, running, type SshLab } from './ssh-lab.ts';
import type { FleetVm } from './vm.ts';

const never = new AbortController().signal;
const DOCKER = { socket: '/var/run/docker.sock' };

describe('a machine over SSH', { ...fleetOrSkip(), timeout: 200_000 }, () => {
  let fleet: Fleet;
  let vm: FleetVm;
  let lab: SshLab;
  let host: Host;

  before(async () => {
    fleet = await bringUpFleet(1);
    vm = fleet.vms[0] as FleetVm;
    lab = await createSshLab(vm);
    host = lab.host;
  });
  after(async () => {
    await lab?.cleanup();
    await fleet?.down();
  });

  hostContract('The host over SSH', { create: () => createSshHarness(vm) });

  const run = (...argv: [string, ...string[]]): Promise<CommandResult> => host.run(argv, { signal: never });

  test('over SSH an abort ends what left the session, too', async () => {
    const abort = new AbortController();
    const work = host.run(['sh', '-c', "setsid sh -c 'echo $$ > /tmp/left; exec sleep 600' & wait"], {
      signal: abort.signal,
    });
    work.catch(() => undefined);
    const pid = await eventually(async () => (await run('cat', '/tmp/left')).stdout.trim() || null);
    abort.abort(new Error('enough'));
    await assert.rejects(work, /enough/);
    assert.equal((await vm.exec(['test', '-d', `/proc/${pid}`])).exitCode, 1);
  });

  test('over SSH a program is known by how it ended, also by a signal or with the shell’s own number', async () => {
    assert.equal((await run('sh', '-c', 'kill -9 $$')).exitCode, 137);
    assert.deepEqual(await run('sh', '-c', 'echo mine; exit 127'), { exitCode: 127, stdout: 'mine\n', stderr: '' });
    await assert.rejects(run('/etc/passwd'), { code: 'AVK_COMMAND_NOT_FOUND' });
    await assert.rejects(run('/no/such'), /The program \/no\/such cannot be run on VM1/);
  });

  test('over SSH a program that prints without end, or takes too long, is ended', async () => {
    await assert.rejects(run('yes'), /yes printed more than 16 MiB on VM1/);
    const hurried = await createSshLab(vm, {
      clock: { ...systemClock, after: (ms, fn, options) => systemClock.after(ms === 60_000 ? 500 : ms, fn, options) },
    });
    try {
      const work = hurried.host.run(['sleep', '4711'], { signal: never });
      await assert.rejects(work, { code: 'AVK_DEADLINE', message: 'sleep took longer than 60 seconds on VM1.' });
      assert.deepEqual(await running(vm, 'sleep 4711'), []);
    } finally {
      await hurried.cleanup();
    }
  });

  test('what the user’s own shell says at its start is not taken for a program’s words', async () => {
    await vm.exec(['sh', '-c', 'echo "echo hello; echo there >&2" > /home/avishkar/.bashrc']);
    try {
      assert.deepEqual(await run('sh', '-c', 'echo out; echo err >&2'), {
        exitCode: 0,
        stdout: 'out\n',
        stderr: 'err\n',
      });
    } finally {
      await vm.exec(['rm', '/home/avishkar/.bashrc']);
    }
  });

  test('a socket that cannot be connected to is told apart from one that is not there', async () => {
    const connect = (socket: string): Promise<unknown> => host.connect({ socket }, { signal: never });
    await vm.exec(['sh', '-c', 'timeout 0.1 busybox nc -lU /x 2>/dev/null; touch /tmp/nobody; chmod 666 /tmp/nobody']);
    await assert.rejects(connect('/tmp/none'), { code: 'ENOENT', message: '/tmp/none on VM1 is not there' });
    await assert.rejects(connect('/tmp/nobody'), { code: 'ECONNREFUSED' });
    await vm.exec(['chmod', '600', '/run/docker.sock']);
    await assert.rejects(connect('/run/docker.sock'), { code: 'EACCES' });
    await vm.exec(['chmod', '660', '/run/docker.sock']);
  });

  test('HTTP goes through a connection of the machine', async () => {
    const connection = await host.connect(DOCKER, { signal: never });
    const answer = await new Promise<string>((resolve, reject) => {
      get({ path: '/_ping', host: 'docker', createConnection: () => connection }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
      }).on('error', reject);
    });
    assert.equal(answer, 'OK');
  });

  test('HTTP that is given up in the middle ends its connection of the machine', async () => {
    const connection = await host.connect(DOCKER, { signal: never });
    const abort = new AbortController();
    const events = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { path: '/events', host: 'docker', createConnection: () => connection, signal: abort.signal };
      get(options, resolve).on('error', reject);
    });
    const closed = new Promise((resolve) => connection.once('close', resolve));
    const failed = new Promise((resolve) => events.once('error', resolve));
    abort.abort();
    await Promise.all([closed, failed]);
    assert.equal(events.complete, false, 'it is not taken for an answer that came to its end');
  });

  test('all that goes through a connection arrives, however slowly it is read', async () => {
    const port = 29_500;
    const listen = (program: string) => {
      const stop = new AbortController();
      const argv = ['busybox', 'nc', '-ll', '-p', `${port}`, '-e', ...program.split(' ')] as [string, ...string[]];
      const ended = host.run(argv, { signal: stop.signal }).catch(() => undefined);
      return async () => {
        stop.abort();
        await ended;
      };
    };
    const open = (): Promise<Duplex> => eventually(() => host.connect({ ip: '127.0.0.1', port }, { signal: never }));
    const stopEcho = listen('/bin/cat');
    const echo = await open();
    const sent = Buffer.alloc(20 * 1024 * 1024, 'all that goes through');
    const [back] = await Promise.all([buffer(echo), new Promise<void>((resolve) => echo.end(sent, () => resolve()))]);
    assert.ok(back.equals(sent));
    await stopEcho();

    const stopSeq = listen('/usr/bin/seq 1 300000');
    const numbers = await open();
    await new Promise((resolve) => numbers.once('readable', resolve));
    // Long over on the other side when it is read.
    await eventually(
      async () => (await running(vm, 'seq 1 300000')).filter((line) => !line.includes('nc')).length === 0,
    );
    const text = (await buffer(numbers)).toString();
    assert.ok(text.endsWith('\n299999\n300000\n') && text.length === 1_988_895, `${text.length}`);
    assert.equal(numbers.destroyed, true);
    await stopSeq();
  });

  test('a machine is signed in to with the keys of an agent', async () => {
    const socket = `${fleet.directory}/agent.sock`;
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    try {
      const env = { ...process.env, SSH_AUTH_SOCK: socket };
      await eventually(() => promisify(execFile)('ssh-add', ['-q', vm.keyPath], { env }));
      const other = await createSshLab(vm, { privateKey: { agent: socket } });
      assert.equal((await other.host.run(['id', '-un'], { signal: never })).stdout, 'avishkar\n');
      await other.cleanup();
    } finally {
      agent.kill();
    }
    const none = await createSshLab(vm, { privateKey: { agent: `${fleet.directory}/none.sock` } });
    await assert.rejects(none.host.run(['true'], { signal: never }), {
      code: 'AVK_HOST_REFUSED',
      message: /the SSH agent at .*none\.sock does not answer/,
    });
    await none.cleanup();
  });

  test('a machine that opens fewer sessions than usual is asked for no more', async () => {
    const settings = '/etc/ssh/fleet_sshd_config';
    const few = async (sessions: number): Promise<void> => {
      await vm.exec(['sed', '-i', '/MaxSessions/d', settings]);
      await vm.exec(['sh', '-c', `echo MaxSessions ${sessions} >> ${settings}`]);
      await vm.kill('sshd');
      await vm.begin('sshd');
    };
    await few(3);
    const other = await createSshLab(vm);
    try {
      const work = Array.from({ length: 12 }, (_, index) => other.host.run(['echo', `${index}`], { signal: never }));
      const results = await Promise.all(work);
      assert.deepEqual(
        results.map(({ stdout }) => stdout.trim()),
        results.map((_, index) => `${index}`),
      );
    } finally {
      await other.cleanup();
      await few(10);
    }
  });

  test('samples tell what the containers of replicas use', async () => {
    const start = async (...command: string[]): Promise<string> =>
      (
        await vm.exec(['docker', 'run', '-d', '--cpus', '0.5', '--memory', '64m', 'node:24-slim', ...command])
      ).stdout.trim();
    const busy = await start('node', '-e', 'for (;;);');
    const idle = await start('sleep', '600');
    const limits = { cpus: 0.5, memoryMb: 64 };
    const known = new Map([
      [busy, { id: 'busy', ...limits }],
      [idle, { id: 'idle', ...limits }],
    ]);
    const other = await createSshLab(vm, { replicas: () => known });
    try {
      const abort = new AbortController();
      const samples: HostSample[] = [];
      for await (const sample of other.host.probe({ everyMs: 500, signal: abort.signal })) {
        if (sample.replicas.length === 2) samples.push(sample);
        if (samples.length === 5) abort.abort();
      }
      const of = (id: string, sample: HostSample | undefined) => sample?.replicas.find((each) => each.id === id);
      const [last] = samples.slice(-1);
      const work = of('busy', last);
      assert.ok(work && work.cpuPercent > 30 && work.cpuPercent < 170, JSON.stringify(last));
      assert.ok(work.memoryPercent > 2 && work.memoryPercent < 100, JSON.stringify(last));
      assert.ok((of('idle', last)?.cpuPercent ?? 100) < 30, JSON.stringify(last));
      const shown = (await vm.exec(['docker', 'stats', '--no-stream', '--format', '{{.MemUsage}}', busy])).stdout;
      const megabytes = Number.parseFloat(shown);
      assert.ok(Math.abs(megabytes - work.memoryBytes / 1024 ** 2) < 3, `${shown} and ${work.memoryBytes}`);
      await vm.exec(['docker', 'rm', '-f', idle]);
      const stop = new AbortController();
      for await (const sample of other.host.probe({ everyMs: 200, signal: stop.signal })) {
        if (sample.replicas.length === 1) stop.abort();
      }
    } finally {
      await other.cleanup();
      await vm.exec(['docker', 'rm', '-f', busy, idle]);
    }
  });
});
