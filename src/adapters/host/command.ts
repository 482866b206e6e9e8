import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Clock } from '../../ports/clock.ts';
import { endFamily, signalProcess } from './family.ts';
import { readProcess } from './proc.ts';

export interface CommandOptions {
  cwd?: string;
  /** The whole environment; nothing of this process's own is added. */
  env: Record<string, string>;
  /** `NAME=value`, unique to this run; added to the environment so that all it starts can be found. */
  marker: string;
  stdin?: string;
  signal: AbortSignal;
  clock: Clock;
  onOutput: (stream: 'stdout' | 'stderr', chunk: Buffer) => void;
  /** What the program leaves running when it ends by itself: kill it, or wait until it closed its output. */
  leftovers: 'kill' | 'wait';
}

/** Between SIGTERM and SIGKILL when a command is aborted. */
const ABORT_GRACE_MS = 2_000;

/**
 * Runs a program without a shell, in a session of its own, and resolves with its exit code (128 + n when signal n
 * ended it, as shells say it). Aborting ends it and all it started; only then does this reject, with the signal's reason.
 *
 * @throws the error of `spawn` as it is, e.g. with code ENOENT
 */
export async function runCommand(argv: readonly [string, ...string[]], options: CommandOptions): Promise<number> {
  options.signal.throwIfAborted();
  const [program, ...args] = argv;
  const separator = options.marker.indexOf('=');
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...options.env, [options.marker.slice(0, separator)]: options.marker.slice(separator + 1) },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const exited = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => resolve());
  });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.stdout.on('data', (chunk: Buffer) => options.onOutput('stdout', chunk));
  child.stderr.on('data', (chunk: Buffer) => options.onOutput('stderr', chunk));
  // A program that does not read its input closes it early; that is no failure.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.stdin ?? '');

  const { pid } = child;
  if (pid === undefined) {
    await exited;
    throw new Error(`${program} did not start`);
  }
  const leader = { pid, startTicks: readProcess(pid)?.startTicks ?? 0 };
  const family = { leader, marker: options.marker };
  let kill: { cancel(): void } | undefined;
  const abort = (): void => {
    // Until `exit` is delivered the pid is ours: nobody else has waited for it.
    if (child.exitCode !== null || child.signalCode !== null) return;
    signalProcess(-pid, 'SIGTERM');
    kill = options.clock.after(ABORT_GRACE_MS, () => signalProcess(-pid, 'SIGKILL'));
  };
  const aborted = new Promise<void>((resolve) => {
    options.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  options.signal.addEventListener('abort', abort, { once: true });
  try {
    await exited;
    kill?.cancel();
    if (options.signal.aborted || options.leftovers === 'kill') await endFamily(family, options.clock);
    await Promise.race([closed, aborted]);
    if (options.signal.aborted) {
      await endFamily(family, options.clock);
      throw options.signal.reason;
    }
  } finally {
    options.signal.removeEventListener('abort', abort);
    child.stdout.destroy();
    child.stderr.destroy();
  }
  return child.exitCode ?? 128 + (child.signalCode ? constants.signals[child.signalCode] : 0);
}
