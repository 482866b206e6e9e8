import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processesBelow } from '../test/support/processes.ts';
import { cleanEnvironment } from './newcomer.ts';
import type { Scratch } from './scratch.ts';

export const ROOT = join(import.meta.dirname, '..');
export const PASSWORD = 'correct horse battery';

/** How the platform is started: as users do, or without the process that finds a fitting Node first. */
export type Entry = 'bin' | 'direct';

export interface BenchPlatform {
  url: string;
  child: ChildProcess;
  /** Of the platform itself, which is a child of `bin/avishkar.mjs`. */
  pid: number;
  /** From spawn to the line that says that it is ready, milliseconds. */
  readyMs: number;
  output(): string;
}

const READY = /^Avishkar is ready at (\S+)$/m;
const READY_DEADLINE_MS = 60_000;
/** What `bin/run.mjs` gives the platform. */
const FLAGS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=4'];
const COMPILED = join(ROOT, '.cache', 'compiled');

export async function startPlatform(
  scratch: Scratch,
  home: readonly string[],
  entry: Entry = 'bin',
): Promise<BenchPlatform> {
  const program = entry === 'bin' ? [join(ROOT, 'bin/avishkar.mjs')] : [...FLAGS, join(ROOT, 'src/cli/main.ts')];
  const begin = performance.now();
  const child = scratch.spawn(process.execPath, [...program, 'up', ...home, '--no-demo'], {
    cwd: scratch.folder,
    env: { ...cleanEnvironment(), AVISHKAR_ADMIN_PASSWORD: PASSWORD, NODE_COMPILE_CACHE: COMPILED },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { line, output } = watch(child, READY);
  const [, url = ''] = await within(READY_DEADLINE_MS, 'the platform to be ready', line);
  const readyMs = performance.now() - begin;
  return { url, child, pid: platformPid(homeOf(home)), readyMs, output };
}

/** Watches for a line in what the process prints; the promise fails with all it printed when it ends before. */
export function watch(child: ChildProcess, wanted: RegExp): { line: Promise<RegExpExecArray>; output: () => string } {
  let text = '';
  const line = new Promise<RegExpExecArray>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        const found = wanted.exec(text);
        if (found) resolve(found);
      });
    }
    child.on('error', reject);
    child.on('exit', (code, signal) => reject(new Error(`it ended with ${code ?? signal}:\n${text}`)));
  });
  return { line, output: () => text };
}

export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`waited ${ms / 1000} s for ${what}`)), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Until `fn` returns something, for at most a minute. */
export async function until<T>(what: string, everyMs: number, fn: () => Promise<T | null>): Promise<T> {
  const end = performance.now() + 60_000;
  for (;;) {
    const value = await fn();
    if (value !== null) return value;
    if (performance.now() > end) throw new Error(`waited a minute for ${what}`);
    await sleep(everyMs);
  }
}

/** The platform with this home, not what started it. */
export function platformPid(home: string): number {
  for (const pid of processesBelow(home)) {
    const [, ...args] = commandLine(pid);
    if (args.some((arg) => arg.endsWith('src/cli/main.ts')) && args.includes(home)) return pid;
  }
  throw new Error(`no platform runs on ${home}`);
}

export function homeOf(flags: readonly string[]): string {
  return flags[flags.indexOf('--home') + 1] ?? '';
}

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    // It ended meanwhile.
    return [];
  }
}
