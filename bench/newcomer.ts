import { execFileSync } from 'node:child_process';
import { dirname } from 'node:path';

const OLDEST = 20;

/**
 * The environment of somebody who has just heard of the platform: nothing that npm or `bin/run.mjs` added on our way
 * here, and the machine's own Node, where there is a fitting one, instead of the one that runs this.
 */
export function newcomerEnvironment(): NodeJS.ProcessEnv {
  const clean = cleanEnvironment();
  const own = dirname(process.execPath);
  const added = /\/node_modules\/(\.bin|npm|@npmcli)(\/|$)/;
  const folders = (clean.PATH ?? '').split(':').filter((folder) => folder !== own && !added.test(folder));
  const stripped = { ...clean, PATH: folders.join(':') };
  return nodeVersion(stripped) >= OLDEST ? stripped : clean;
}

/** Without what npm, git hooks, `bin/run.mjs` and the test runner tell their children. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const added = /^npm_|^GIT_|^INIT_CWD$|^NODE_(COMPILE_CACHE|OPTIONS|TEST_CONTEXT)$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => !added.test(key)));
}

/** The major version of the first Node on PATH; 0 when there is none. */
function nodeVersion(env: NodeJS.ProcessEnv): number {
  try {
    const version = execFileSync('node', ['--version'], { env, encoding: 'utf8' });
    return Number(/^v(\d+)/.exec(version)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
