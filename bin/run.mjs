import { spawn } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** Compiled code is kept from start to start, so that only the first one reads all of the TypeScript. */
const environment = (node) => ({
  ...process.env,
  PATH: `${dirname(node)}:${process.env.PATH}`,
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(ROOT, '.cache', 'compiled'),
});

/**
 * Runs a program of the platform and ends as it ended. Signals to this process are passed on; the program decides.
 *
 * @param {string} node the Node to run it with
 * @param {string[]} args the program, relative to the root of the platform, and its arguments
 */
export function runNode(node, [program, ...args]) {
  const argv = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=4', join(ROOT, program), ...args];
  if (process.execve) {
    // Becomes the program, where this Node can: no second process stays in memory for nothing.
    process.removeAllListeners('warning');
    process.execve(node, [node, ...argv], environment(node));
  }
  const child = spawn(node, argv, { stdio: 'inherit', env: environment(node) });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the whole group: the child has it already.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  return new Promise((done) => {
    child.on('error', (error) => {
      console.error(`avishkar: ${node} cannot be run: ${error.message}`);
      process.exitCode = 1;
      done();
    });
    child.on('exit', (code, signal) => {
      process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 143);
      done();
    });
  });
}
