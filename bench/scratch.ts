import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processesBelow } from '../test/support/processes.ts';
import { takeSlot } from '../test/support/slot.ts';

/** What one measurement puts on the machine: a folder, ports, processes. `end` takes all of it away again. */
export interface Scratch {
  readonly folder: string;
  /** Flags of `avishkar up` for a home below the folder and ports that nobody else has. */
  flags(name: string): string[];
  /** In a process group of its own, so that ending it ends all that it started. */
  spawn(command: string, args: readonly string[], options?: SpawnOptions): ChildProcess;
  /** The process group gets the signal; resolves when the process is gone. */
  end(child: ChildProcess, signal?: NodeJS.Signals): Promise<void>;
}

const GRACE_MS = 20_000;
const POLL_MS = 50;

const open = new Set<() => Promise<void>>();
let over = false;

/** Runs one measurement and takes away what it left, also when it fails. */
export async function withScratch<T>(fn: (scratch: Scratch) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'avishkar-bench-'));
  const children = new Set<ChildProcess>();
  const releases: (() => void)[] = [];

  async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    signalGroup(child, signal);
    if (!(await gone(() => !isAlive(child), GRACE_MS))) signalGroup(child, 'SIGKILL');
    await gone(() => !isAlive(child), GRACE_MS);
    children.delete(child);
  }

  let ending: Promise<void> | null = null;
  function endAll(): Promise<void> {
    ending ??= takeAway();
    return ending;
  }

  async function takeAway(): Promise<void> {
    open.delete(endAll);
    await Promise.all([...children].map((child) => end(child)));
    // Apps, and what outlived the process that started it: all of it has the folder in its environment or arguments.
    if (!(await gone(() => processesBelow(folder).length === 0, GRACE_MS))) {
      for (const pid of processesBelow(folder)) kill(pid, 'SIGKILL');
      await gone(() => processesBelow(folder).length === 0, GRACE_MS);
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    for (const release of releases) release();
  }

  open.add(endAll);
  try {
    return await fn({
      folder,
      flags(name) {
        const slot = takeSlot();
        releases.push(() => slot.release());
        const ports = ['--port', String(slot.port), '--first-port', String(slot.firstPort)];
        return ['--home', join(folder, name), ...ports, '--replica-ports', slot.replicaPorts];
      },
      spawn(command, args, options = {}) {
        if (over) throw new Error('the benchmark was ended');
        const child = spawn(command, args, { ...options, detached: true });
        children.add(child);
        return child;
      },
      end,
    });
  } finally {
    await endAll();
  }
}

/** On Ctrl-C: ends what is under way wherever it stands; nothing can be begun any more. */
export async function endEverything(): Promise<void> {
  over = true;
  await Promise.all([...open].map((end) => end()));
}

function isAlive(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null && child.pid !== undefined;
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid !== undefined && isAlive(child)) kill(-child.pid, signal);
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It ended meanwhile, which is what was wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function gone(check: () => boolean, ms: number): Promise<boolean> {
  const until = performance.now() + ms;
  while (!check()) {
    if (performance.now() >= until) return false;
    await sleep(POLL_MS);
  }
  return true;
}
