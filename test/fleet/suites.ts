import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ROOT } from '../support/platform.ts';
import { cleanVm } from './clean.ts';
import { bringUpFleet, type Fleet } from './fleet.ts';

const SUITE_DEADLINE_MS = 15 * 60_000;

/** Has suites of the embedded platform run unchanged, in turn, with the VMs of a fleet as their machines. */
export function holdOnFleet(name: string, suites: readonly string[], options: { skip: string | false }): void {
  describe(name, options, () => {
    let fleet: Fleet;

    before(async () => {
      fleet = await bringUpFleet(3);
    });
    after(() => fleet?.down());

    for (const suite of suites) {
      test(`the suite ${suite} holds on a fleet`, { timeout: SUITE_DEADLINE_MS }, async () => {
        await Promise.all(fleet.vms.map(cleanVm));
        const { code, output } = await runSuite(suite, fleet.directory);
        assert.equal(code, 0, output);
      });
    }
  });
}

/** Runs a suite in a process of its own, as its tests are to see a platform on the fleet. */
async function runSuite(suite: string, fleet: string): Promise<{ code: number | null; output: string }> {
  const file = join(ROOT, 'test', 'e2e', `${suite}.test.ts`);
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--test-reporter=spec', '--test', file],
    {
      cwd: ROOT,
      env: { ...process.env, AVISHKAR_TEST_FLEET: fleet, NODE_TEST_CONTEXT: undefined },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, output };
}
