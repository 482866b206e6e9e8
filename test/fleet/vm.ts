import { execFile, execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '../support/eventually.ts';

const execute = promisify(execFile);

export type Daemon = 'sshd' | 'dockerd' | 'nginx';

export interface ExecResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** One VM of a fleet, with what a test does to it from outside. */
export interface FleetVm {
  name: string;
  address: string;
  user: string;
  keyPath: string;
  servicePath: string;
  /** Runs a program inside as root, not through the network. */
  exec(argv: readonly string[], options?: { stdin?: string; stdinFile?: string }): Promise<ExecResult>;
  /** A path inside, as this machine sees it. */
  path(inside: string): string;
  /** Takes the network cable out: packets vanish. */
  cut(): Promise<void>;
  /** The cable is back in; a VM that is off is switched on. */
  heal(): Promise<void>;
  /** Lets a daemon run for a moment now and then only, until the returned function is called. */
  stutter(daemon: Daemon): Promise<() => Promise<void>>;
  kill(daemon: Daemon): Promise<void>;
  begin(daemon: Daemon): Promise<void>;
  /** sshd goes on with another host key, as after a new installation, or with somebody in between. */
  newHostKey(): Promise<void>;
  fillDisk(): Promise<void>;
  freeDisk(): Promise<void>;
  powerOff(): Promise<void>;
  powerOn(): Promise<void>;
}

export interface VmOptions {
  directory: string;
  slot: number;
  name: string;
  address: string;
  boot: (directory: string, slot: number, name: string, address: string, first: boolean) => Promise<void>;
}

const USER = 'avishkar';
const SEEN_MS = 30_000;

export function createVm({ directory, slot, name, address, boot }: VmOptions): FleetVm {
  const folder = join(directory, name);
  const pid = (): string => readFileSync(join(folder, 'pid'), 'utf8').trim();

  const isOff = (): boolean => {
    const file = join(folder, 'pid');
    return !existsSync(file) || Number.isNaN(startTicks(Number(pid())));
  };

  async function exec(
    argv: readonly string[],
    { stdin, stdinFile }: { stdin?: string; stdinFile?: string } = {},
  ): Promise<ExecResult> {
    const input = stdinFile === undefined ? 'pipe' : openSync(stdinFile, 'r');
    const child = spawn('nsenter', ['--target', pid(), '--all', '--wd=/', '--', ...argv], {
      stdio: [input, 'pipe', 'pipe'],
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LANG: 'C.UTF-8' },
    });
    const out: Record<'stdout' | 'stderr', string> = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.setEncoding('utf8').on('data', (text: string) => {
        out[stream] += text;
      });
    }
    child.stdin?.on('error', () => undefined).end(stdin ?? '');
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? 1));
    });
    if (typeof input === 'number') closeSync(input);
    return { exitCode, ...out };
  }

  async function must(argv: readonly string[], options?: { stdin?: string }): Promise<string> {
    const { exitCode, stdout, stderr } = await exec(argv, options);
    if (exitCode !== 0) throw new Error(`${argv.join(' ')} in ${name} ended with ${exitCode}: ${stderr}`);
    return stdout;
  }

  const PID_FILES: Record<Daemon, string> = {
    sshd: '/run/sshd.pid',
    dockerd: '/run/docker.pid',
    nginx: '/run/nginx.pid',
  };

  async function kill(daemon: Daemon): Promise<void> {
    // With those it started: what an nginx leaves behind would hold its ports, and an sshd its connections.
    const family =
      'i=0; while [ ! -s "$1" ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i + 1)); done; ' +
      'p=$(cat "$1") && [ -n "$p" ] || exit 1; list=$p; todo=$p; while [ -n "$todo" ]; do next=; for i in $todo; do ' +
      'next="$next $(cat /proc/$i/task/*/children 2>/dev/null)"; done; todo=$(echo $next); list="$list $todo"; done; ' +
      'if [ "$2" = dockerd ]; then list=$p; fi; kill -9 $list; while [ -d /proc/$p ]; do sleep 0.02; done; rm -f "$1"';
    await must(['sh', '-c', family, 'sh', PID_FILES[daemon], daemon]);
  }

  async function begin(daemon: Daemon): Promise<void> {
    await must(['sh', '/fleet/daemon.sh', daemon]);
    // It goes into the background before it listens, and writes this afterwards.
    if (daemon === 'sshd') {
      await eventually(async () => (await exec(['test', '-s', PID_FILES.sshd])).exitCode === 0, {
        deadlineMs: SEEN_MS,
      });
    }
    if (daemon === 'dockerd') {
      await eventually(async () => (await exec(['docker', 'version'])).exitCode === 0, { deadlineMs: SEEN_MS });
    }
  }

  return {
    name,
    address,
    user: USER,
    keyPath: join(directory, 'key'),
    servicePath: `/home/${USER}/Services`,
    exec,
    path: (inside) => join('/proc', pid(), 'root', inside),
    cut: async () => setCable(slot, name, false),
    async heal() {
      if (isOff()) await boot(directory, slot, name, address, false);
      else setCable(slot, name, true);
    },
    async stutter(daemon) {
      const loop =
        'p=$(cat "$1"); while [ -e /run/stutter ]; do kill -STOP $p; sleep 0.4; kill -CONT $p; sleep 0.1; done';
      await must(['touch', '/run/stutter']);
      const over = must(['sh', '-c', loop, 'sh', PID_FILES[daemon]]);
      return async () => {
        await must(['rm', '/run/stutter']);
        await over;
      };
    },
    kill,
    begin,
    async newHostKey() {
      await must(['rm', '-f', '/etc/ssh/fleet_host_key', '/etc/ssh/fleet_host_key.pub']);
      await must(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', '/etc/ssh/fleet_host_key']);
      await kill('sshd');
      await begin('sshd');
    },
    async fillDisk() {
      // All that is free, without going through the page cache twice.
      await exec([
        'sh',
        '-c',
        'fallocate -l "$(df --output=avail -B1 / | tail -1)" /filler || cat /dev/zero > /filler',
      ]);
    },
    freeDisk: async () => void (await must(['rm', '-f', '/filler'])),
    powerOff: async () => void (await execute('sh', [join(directory, 'power-off.sh'), folder])),
    powerOn: () => boot(directory, slot, name, address, false),
  };
}

/** Puts a VM's network cable in, or takes it out. */
export function setCable(slot: number, name: string, plugged: boolean): void {
  execFileSync('ip', ['link', 'set', `avk${slot}-${name}`, plugged ? 'up' : 'down']);
}

/** When a process started, in the kernel's ticks since boot; with the pid it names it for ever. NaN when it is gone. */
export function startTicks(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return Number.NaN;
  }
}
