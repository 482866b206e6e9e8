import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { createLocalHarness } from '../../../src/adapters/host/test-support.ts';
import type { Host } from '../../../src/ports/host.ts';
import { hostContract } from '../host.contract.ts';

/** Aborts as `spawn` does by itself: the program gets a signal, what it started goes on. */
const run: Host['run'] = async (argv, { signal, stdin }) => {
  signal.throwIfAborted();
  const child = spawn(argv[0], argv.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin ?? '');
  signal.addEventListener('abort', () => child.kill('SIGKILL'));
  const exited = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 137)));
  const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  const [exitCode, stdout, stderr] = await Promise.race([
    Promise.all([exited, text(child.stdout), text(child.stderr)]),
    aborted,
  ]);
  return { exitCode, stdout, stderr };
};

hostContract('A host that leaves children running', {
  create: async () => {
    const harness = await createLocalHarness();
    const { host } = harness;
    const missing = (program: string): boolean => program.startsWith('no-such-program');
    return {
      ...harness,
      host: { ...host, run: (argv, options) => (missing(argv[0]) ? host.run(argv, options) : run(argv, options)) },
    };
  },
});
