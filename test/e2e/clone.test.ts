import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cleanEnvironment, newcomerEnvironment } from '../../bench/newcomer.ts';
import { platformPid } from '../../bench/platform.ts';
import { kill } from '../../bench/scratch.ts';
import { eventually } from '../support/eventually.ts';
import { ROOT } from '../support/platform.ts';
import { processesBelow } from '../support/processes.ts';
import { takeSlot } from '../support/slot.ts';

/** Fetching a Node and the packages is in it. */
const SERVED_MS = 180_000;
const GONE_MS = 30_000;

test('a fresh clone starts, deploys the sample app and serves it', { skip: whyNoClone() }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'avishkar-clone-'));
  const slot = takeSlot();
  t.after(() => {
    for (const pid of processesBelow(folder)) kill(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    slot.release();
  });
  const env = newcomerEnvironment();
  const checkout = join(folder, 'checkout');
  const home = join(folder, 'home');
  const cloned = spawnSync('git', ['clone', '--quiet', `file://${ROOT}`, checkout], { env, encoding: 'utf8' });
  assert.equal(cloned.status, 0, cloned.stderr);

  const ports = ['--port', String(slot.port), '--first-port', String(slot.firstPort)];
  const flags = ['--home', home, ...ports, '--replica-ports', slot.replicaPorts];
  const npm = spawn('npm', ['start', '--', ...flags], { cwd: checkout, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<number | NodeJS.Signals | null>((resolve) => {
    npm.on('exit', (code, signal) => resolve(code ?? signal));
  });
  const output = collect(npm);
  const served = eventually(() => /^The sample app \S+ is served at (\S+)$/m.exec(output())?.[1], {
    deadlineMs: SERVED_MS,
    everyMs: 100,
  });
  const ended = exited.then((how) => assert.fail(`npm start ended with ${how}:\n${output()}`));
  // Whichever side of the race loses goes on, and must not end the test.
  served.catch(() => undefined);
  ended.catch(() => undefined);
  const url = await Promise.race([served, ended]).catch((error) => {
    throw new Error(`the sample app was not served:\n${output()}`, { cause: error });
  });
  assert.equal((await fetch(url)).status, 200);

  process.kill(platformPid(home), 'SIGTERM');
  const how = await exited;
  assert.equal(how, 0, output());
  assert.match(output(), /^Stopped\.$/m);
  await eventually(
    () => {
      assert.deepEqual(processesBelow(folder), []);
      return true;
    },
    { deadlineMs: GONE_MS },
  );
  const status = spawnSync('git', ['status', '--porcelain'], { cwd: checkout, env, encoding: 'utf8' });
  assert.equal(status.status, 0, status.stderr);
  assert.equal(status.stdout, '', 'starting changed or left files that git sees');
});

/** Why this checkout cannot be cloned, or false. */
function whyNoClone(): string | false {
  const env = cleanEnvironment();
  const head = spawnSync('git', ['rev-parse', '--verify', '--quiet', 'HEAD'], { cwd: ROOT, env, encoding: 'utf8' });
  if (head.error) return `git cannot be run: ${head.error.message}`;
  if (head.status !== 0) return `this checkout has no commits to clone ${head.stderr.trim()}`.trim();
  return false;
}

function collect(child: ChildProcess): () => string {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return () => output;
}
