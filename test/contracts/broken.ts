import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * Proof that a contract suite notices a defect. A fixture, `test/contracts/broken/<port>-<defect>.fixture.ts`,
 * registers the contract with an adapter that is broken on purpose (most often a working one with one method
 * replaced). Call this from a normal test of the adapter:
 *
 * ```ts
 * test('the contract notices a runtime that forgets exits', () =>
 *   expectContractToFail(new URL('../../../test/contracts/broken/container-runtime-no-exit.fixture.ts', import.meta.url), [
 *     'tells of a container that ended by itself',
 *   ]));
 * ```
 *
 * The fixture runs in a process of its own, so it can neither fail nor hang the tests around it.
 */
export async function expectContractToFail(
  /** The fixture's file. */
  fixture: URL,
  /** Exactly the tests that must fail: their own names, without those of the suites around them. */
  failing: readonly [string, ...string[]],
  options: {
    /** After so many milliseconds the fixture and all it started are killed, and this fails. Default 120 s. */
    deadlineMs?: number;
  } = {},
): Promise<void> {
  const results = await runFixture(fixture, options.deadlineMs ?? 120_000);
  const failed = results.filter((result) => result.outcome === 'failed');
  const told = failed.map((result) => `  ${result.name}: ${result.message ?? ''}`).join('\n');
  assert.deepEqual(
    failed.map((result) => result.name).sort(),
    [...failing].sort(),
    `other tests failed than the defect should fail; these did:\n${told}`,
  );
}

interface Result {
  name: string;
  outcome: 'passed' | 'failed' | 'skipped';
  message?: string;
}

async function runFixture(fixture: URL, deadlineMs: number): Promise<Result[]> {
  // Tests that fail here wait for what never comes; see `eventually`.
  const env: NodeJS.ProcessEnv = { ...process.env, AVISHKAR_TEST_DEADLINE_MS: '5000' };
  // Set by the `node --test` around us; with it the child would report to that one instead of to us.
  delete env.NODE_TEST_CONTEXT;
  const reporter = fileURLToPath(new URL('./broken/reporter.ts', import.meta.url));
  // A broken adapter may leave handles open and processes running: neither may keep us waiting.
  const argv = [
    '--test',
    '--test-isolation=none',
    '--test-force-exit',
    `--test-reporter=${reporter}`,
    fileURLToPath(fixture),
  ];
  const child = spawn(process.execPath, argv, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  const killGroup = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killGroup();
  }, deadlineMs);
  child.once('exit', killGroup);
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  }).finally(() => clearTimeout(timer));

  const output = Buffer.concat(out).toString();
  const shown = `${output}${Buffer.concat(err).toString()}`.slice(-4000);
  assert.ok(!late, `the fixture did not end within ${deadlineMs} ms:\n${shown}`);
  const results = output.split('\n').flatMap((line) => parseResult(line));
  assert.ok(results.length > 0, `the fixture ran no test (exit ${exitCode}):\n${shown}`);
  return results;
}

/** The fixture may print too; only the reporter's lines count. */
function parseResult(line: string): Result[] {
  if (!line.startsWith('{"name":')) return [];
  try {
    return [JSON.parse(line) as Result];
  } catch {
    return [];
  }
}
