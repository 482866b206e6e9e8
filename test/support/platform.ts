import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after } from 'node:test';
import { eventually } from './eventually.ts';
import { type Slot, takeSlot } from './slot.ts';

export const ROOT = new URL('../..', import.meta.url).pathname;
export const PASSWORD = 'correct horse battery';

/** Generous, for a machine that is busy with other tests. */
const READY_MS = 60_000;
/** A platform that does not stop is to fail its test, not to hold all of them up. */
const STOP_MS = 90_000;

export interface PlatformOptions {
  /** A home to start on again; default a new one. */
  home?: Home;
  /** Further flags of `avishkar up`. */
  flags?: readonly string[];
  env?: Record<string, string>;
  /** What to run instead of `src/cli/main.ts up`; gets the same flags. */
  entry?: string;
}

/** A folder and ports that a platform can be started on again and again. */
export interface Home {
  directory: string;
  slot: Slot;
  remove(): void;
}

/** A real platform as a child process. */
export interface TestPlatform {
  url: string;
  pid: number;
  home: Home;
  output(): string;
  /** How it ended, once it has: the exit code or the signal. */
  exited: Promise<number | NodeJS.Signals>;
  /** SIGTERM, and waits; SIGKILL where that takes too long. */
  stop(): Promise<number | NodeJS.Signals>;
  /** SIGKILL, and waits. */
  kill(): Promise<void>;
}

/** @param directory default a new one */
export function newHome(directory = mkdtempSync(join(tmpdir(), 'avishkar-home-'))): Home {
  const slot = takeSlot();
  return {
    directory,
    slot,
    remove() {
      rmSync(directory, { recursive: true, force: true });
      slot.release();
    },
  };
}

const alive = new Set<ChildProcess>();
// A test that failed may have left its own: the run would wait for it. Benchmarks are no tests.
if (process.env.NODE_TEST_CONTEXT !== undefined) {
  after(() => {
    for (const child of alive) child.kill('SIGKILL');
  });
}

export function spawnPlatform(options: PlatformOptions = {}): Omit<TestPlatform, 'url'> & { child: ChildProcess } {
  const home = options.home ?? newHome();
  const { slot } = home;
  const flags = ['--home', home.directory, '--port', String(slot.port), '--first-port', String(slot.firstPort)];
  flags.push('--replica-ports', slot.replicaPorts, '--no-demo', ...onFleet(home, options.flags ?? []));
  const entry = options.entry ?? join(ROOT, 'src/cli/main.ts');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', entry, 'up', ...flags], {
    env: { ...process.env, AVISHKAR_ADMIN_PASSWORD: PASSWORD, NODE_TEST_CONTEXT: undefined, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  alive.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      output += text;
    });
  }
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    child.on('exit', (code, signal) => {
      alive.delete(child);
      resolve(code ?? signal ?? 'SIGKILL');
    });
  });
  return {
    child,
    pid: child.pid ?? 0,
    home,
    output: () => output,
    exited,
    async stop() {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      return exited.finally(() => clearTimeout(late));
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** The folder of the fleet whose VMs are the machines of every platform under test; without one they are pretended. */
export const FLEET = process.env.AVISHKAR_TEST_FLEET ?? null;

/** Skips what only an embedded platform does, with the reason. */
export function embeddedOnly(reason: string): { skip: string | false } {
  return { skip: FLEET === null ? false : `on machines of its own ${reason}` };
}

/**
 * The same flags for a platform on the fleet: `--nodes N` is its first N VMs, named as those that are pretended, with as
 * many ports each.
 */
function onFleet(home: Home, flags: readonly string[]): string[] {
  if (FLEET === null) return [...flags];
  const at = flags.indexOf('--nodes');
  const count = at < 0 ? 1 : Number(flags[at + 1]);
  const details = JSON.parse(readFileSync(join(FLEET, 'vm-details.json'), 'utf8')) as object[];
  const [first = 0, last = 0] = home.slot.replicaPorts.split('-').map(Number);
  const share = Math.floor((last - first + 1) / count);
  const vms = details.slice(0, count).map((vm, index) => {
    const begin = first + index * share;
    return { ...vm, vm_name: `node${index + 1}`, ports: `${begin}-${begin + share - 1}` };
  });
  if (vms.length < count) throw new Error(`the fleet has ${vms.length} of ${count} machines`);
  // Not in the home, which some tests fill, or destroy.
  const config = join(FLEET, `${basename(home.directory)}.yml`);
  writeFileSync(config, JSON.stringify({ vms, loadBalancer: { vm: 'node1' } }));
  return [...flags.filter((_, index) => at < 0 || (index !== at && index !== at + 1)), '--config', config];
}

/** Starts a platform and waits until it says that it is ready. One that does not is ended: nobody else could. */
export async function startPlatform(options: PlatformOptions = {}): Promise<TestPlatform> {
  const platform = spawnPlatform(options);
  try {
    return { ...platform, url: await readyUrl(platform) };
  } catch (error) {
    await platform.kill();
    throw error;
  }
}

/** Waits until the platform says where it is; fails at once when it ends instead. */
export async function readyUrl(platform: Pick<TestPlatform, 'output' | 'exited'>): Promise<string> {
  const ready = eventually(() => /^Avishkar is ready at (\S+)$/m.exec(platform.output())?.[1], {
    deadlineMs: READY_MS,
  });
  const late = ready.catch((error: Error) => {
    throw new Error(`the platform is not ready (${error.message}):\n${platform.output()}`);
  });
  const ended = platform.exited.then((how) => {
    throw new Error(`the platform ended (${how}) before it was ready:\n${platform.output()}`);
  });
  const url = await Promise.race([late, ended]);
  // Both sides of the race go on; the one that lost must not end the test.
  ended.catch(() => undefined);
  return url;
}
