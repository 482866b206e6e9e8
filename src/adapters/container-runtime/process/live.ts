import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Clock } from '../../../ports/clock.ts';
import { signalProcess } from '../../host/family.ts';
import { identify, isAlive, type ProcessIdentity } from './identity.ts';

/** How a main process ended; both null when nobody was there to see it. */
export interface Exit {
  exitCode: number | null;
  exitSignal: string | null;
}

/** A main process that runs, or has just ended. */
export interface Live {
  readonly identity: ProcessIdentity;
  /** Resolves when the main process is over; what it started may still run. */
  readonly ended: Promise<Exit>;
  /** Looks at once whether it is over; only an adopted process needs that, as nothing tells of its end. */
  look(): void;
  /** Signals the whole process group. False when the main process is over. */
  signal(signal: NodeJS.Signals): boolean;
}

export interface LaunchOptions {
  argv: readonly [string, ...string[]];
  cwd: string;
  env: Record<string, string>;
  /** Files that the output is appended to. Not pipes: those would break with the platform, and the app with them. */
  stdout: string;
  stderr: string;
}

/**
 * Starts a process in a session of its own.
 *
 * @throws the error of `spawn`
 */
export async function launch(options: LaunchOptions): Promise<Live> {
  const [program, ...args] = options.argv;
  const files: number[] = [];
  let child: ChildProcess;
  try {
    for (const path of [options.stdout, options.stderr]) files.push(openSync(path, 'a', 0o600));
    child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env,
      detached: true,
      stdio: ['ignore', ...files],
    });
  } finally {
    for (const file of files) closeSync(file);
  }
  const ended = new Promise<Exit>((resolve) => {
    child.once('exit', (exitCode, exitSignal) => resolve({ exitCode, exitSignal }));
  });
  const { pid } = child;
  if (pid === undefined) {
    throw await new Promise<Error>((resolve) => child.once('error', resolve));
  }
  child.on('error', () => undefined);
  // The platform's own end is not held up by an app.
  child.unref();
  // Nobody has waited for the child yet, so its pid is still its own, even if it is over: then nothing is left to name.
  const identity = identify(pid) ?? { pid, startTicks: 0, bootId: '' };
  return {
    identity,
    ended,
    look: () => undefined,
    signal: (signal) => child.exitCode === null && child.signalCode === null && signalProcess(-pid, signal),
  };
}

/** Takes over a process that an earlier platform started. It is no child of ours, so its end has to be looked for. */
export function adopt(identity: ProcessIdentity, clock: Clock, everyMs: number): Live {
  let over = false;
  let look: () => void = () => undefined;
  const ended = new Promise<Exit>((resolve) => {
    look = (): void => {
      if (over || isAlive(identity)) return;
      over = true;
      resolve({ exitCode: null, exitSignal: null });
    };
  });
  const poll = (): void => {
    look();
    if (!over) clock.after(everyMs, poll, { background: true });
  };
  poll();
  return {
    identity,
    ended,
    look,
    signal: (signal) => isAlive(identity) && signalProcess(-identity.pid, signal),
  };
}
