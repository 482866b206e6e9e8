import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './platform.ts';

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Cli {
  run(...args: string[]): Promise<CliResult>;
  remove(): void;
}

const DEADLINE_MS = 60_000;

/** The command line as a program of its own, with nothing of this process's settings. */
export function createCli(env: Record<string, string>): Cli {
  const folder = mkdtempSync(join(tmpdir(), 'avishkar-cli-'));
  return {
    run(...args) {
      const child = spawn(
        process.execPath,
        ['--disable-warning=ExperimentalWarning', join(ROOT, 'src/cli/main.ts'), ...args],
        {
          env: { PATH: process.env.PATH, XDG_CONFIG_HOME: folder, ...env },
          stdio: ['ignore', 'pipe', 'pipe'],
          timeout: DEADLINE_MS,
        },
      );
      const printed = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr'] as const) {
        child[name].setEncoding('utf8').on('data', (text: string) => {
          printed[name] += text;
        });
      }
      return new Promise((resolve) => child.on('close', (code) => resolve({ code, ...printed })));
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
