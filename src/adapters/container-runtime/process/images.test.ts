import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventually } from '../../../../test/support/eventually.ts';
import type { AvkError } from '../../../domain/errors.ts';
import { listProcesses, readEnviron, readProcess } from '../../host/proc.ts';
import type { ProcessRuntimeOptions } from './runtime.ts';
import {
  containerSpec,
  createPlatformProcess,
  createProcessHarness,
  ensureApp,
  IMAGE,
  manifestWith,
  type ProcessHarness,
} from './test-support.ts';

async function harnessFor(t: TestContext, changes: Partial<ProcessRuntimeOptions> = {}): Promise<ProcessHarness> {
  const harness = await createProcessHarness(changes);
  t.after(() => harness.cleanup());
  return harness;
}

const packageJson = (content: object): string => JSON.stringify({ name: 'probe', version: '1.0.0', ...content });
/** Prints its pid, starts something that leaves the session, and never ends. */
const HANGS = {
  'main.js': '',
  'package.json': packageJson({ scripts: { preinstall: 'node hang.js' } }),
  'hang.js': `
require('node:child_process').spawn('sleep', ['600'], { detached: true, stdio: 'ignore' }).unref();
require('node:fs').writeFileSync(process.env.HOME + '/pid', String(process.pid));
setInterval(() => {}, 1000);`,
};

/** The processes of builds in this home. */
async function builders(home: string): Promise<number[]> {
  const pids = (await listProcesses()).map(({ pid }) => pid);
  return pids.filter((pid) => readEnviron(pid)?.some((entry) => entry.startsWith(`AVISHKAR_BUILD=${home}/`)));
}

async function hanging(home: string): Promise<number> {
  return eventually(
    async () => {
      const [image] = await readdir(join(home, 'images'));
      return Number(await readFile(join(home, 'images', image ?? '', 'home', 'pid'), 'utf8')) || null;
    },
    { deadlineMs: 30_000 },
  );
}

test('installs the dependencies of an app from the registry', { timeout: 180_000 }, async (t) => {
  const { runtime, home } = await harnessFor(t);
  const said = await ensureApp(runtime, {
    'main.js': "console.log(require('is-number')(5)); setInterval(() => {}, 1000);",
    'package.json': packageJson({ dependencies: { 'is-number': '7.0.0' }, devDependencies: { 'is-odd': '3.0.1' } }),
  });
  assert.ok(
    said.some((line) => /added 1 package/.test(line)),
    said.join('\n'),
  );
  const folder = join(home, 'images', 'probe@1.0.0-0a1b2c3d');
  assert.deepEqual((await readdir(folder)).sort(), ['app', 'build.log', 'image.json']);
  assert.equal(await readFile(join(folder, 'build.log'), 'utf8'), said.map((line) => `${line}\n`).join(''));
  const signal = new AbortController().signal;
  await runtime.start(await containerSpec('r1'), { signal });
  await eventually(async () => {
    for await (const { line } of runtime.logs('r1', { tail: 9, follow: false, signal }))
      if (line === 'true') return true;
    return false;
  });
});

test('installs exactly what a lock file says', { timeout: 180_000 }, async (t) => {
  const { runtime } = await harnessFor(t);
  const dependencies = { 'is-number': '7.0.0' };
  const lock = {
    name: 'probe',
    version: '1.0.0',
    lockfileVersion: 3,
    packages: { '': { name: 'probe', version: '1.0.0', dependencies: { 'is-number': '^6.0.0' } } },
  };
  const files = {
    'main.js': '',
    'package.json': packageJson({ dependencies }),
    'package-lock.json': JSON.stringify(lock),
  };
  await assert.rejects(ensureApp(runtime, files), (error: AvkError) => {
    assert.equal(error.code, 'AVK_BUILD_FAILED');
    assert.match(error.message, /^npm ci failed with exit code \d+\.$/);
    return true;
  });
});

test('does not ask npm when there is nothing to install', async (t) => {
  const { runtime } = await harnessFor(t, { environment: { PATH: '/nowhere' }, nodePath: '/nowhere/node' });
  const said = await ensureApp(runtime, {
    'main.js': '',
    'package.json': packageJson({
      type: 'module',
      scripts: { start: 'node main.js' },
      devDependencies: { x: '1.0.0' },
    }),
    'package-lock.json': '{}',
  });
  assert.deepEqual(said, []);
});

test('says that npm is missing, or package.json is not valid', async (t) => {
  const { runtime } = await harnessFor(t, { environment: { PATH: '/nowhere' }, nodePath: '/nowhere/node' });
  const failsWith = (text: string, message: RegExp): Promise<void> =>
    assert.rejects(ensureApp(runtime, { 'main.js': '', 'package.json': text }), (error: AvkError) => {
      assert.equal(error.code, 'AVK_BUILD_FAILED');
      assert.match(error.message, message);
      return true;
    });
  await failsWith(packageJson({ dependencies: { x: '1.0.0' } }), /npm is not installed/);
  await failsWith('{"name":', /package\.json of the app is not valid/);
  assert.deepEqual(await runtime.listImages(), []);
});

test('an install that fails is told with its last lines and leaves nothing', { timeout: 180_000 }, async (t) => {
  const { runtime, home } = await harnessFor(t);
  const files = { 'main.js': '', 'package.json': packageJson({ dependencies: { 'is-number': '999.0.0' } }) };
  const said: string[] = [];
  await assert.rejects(ensureApp(runtime, files, { log: (line) => said.push(line) }), (error: AvkError) => {
    assert.equal(error.code, 'AVK_BUILD_FAILED');
    assert.match(error.message, /^npm install failed with exit code 1\.$/);
    assert.ok(
      error.lastLogLines.some((line) => line.includes('is-number')),
      error.lastLogLines.join('\n'),
    );
    assert.deepEqual(error.lastLogLines, said.slice(-20));
    return true;
  });
  assert.deepEqual(await readdir(join(home, 'images')), []);
});

test('an install that is aborted ends with all it started', { timeout: 180_000 }, async (t) => {
  const { runtime, home } = await harnessFor(t);
  const abort = new AbortController();
  const work = ensureApp(runtime, HANGS, { signal: abort.signal });
  work.catch(() => undefined);
  const pid = await hanging(home);
  assert.ok(readProcess(pid));
  abort.abort(new Error('cancelled by the user'));
  await assert.rejects(work, /cancelled by the user/);
  assert.deepEqual(await builders(home), []);
  assert.deepEqual(await readdir(join(home, 'images')), []);
});

test('an install that takes too long fails', { timeout: 180_000 }, async (t) => {
  const { runtime, home } = await harnessFor(t, { buildTimeoutMs: 3_000 });
  await assert.rejects(ensureApp(runtime, HANGS), (error: AvkError) => {
    assert.equal(error.code, 'AVK_BUILD_FAILED');
    assert.equal(error.message, 'The build took longer than 3 s.');
    return true;
  });
  assert.deepEqual(await builders(home), []);
  assert.deepEqual(await readdir(join(home, 'images')), []);
});

test('closing the runtime ends its builds', { timeout: 180_000 }, async (t) => {
  const { runtime, home } = await harnessFor(t);
  const work = ensureApp(runtime, HANGS);
  work.catch(() => undefined);
  await hanging(home);
  await runtime.close();
  await assert.rejects(work, (error: AvkError) => error.code === 'AVK_CANCELLED');
  assert.deepEqual(await builders(home), []);
});

test('what an interrupted build left is gone after the next start', { timeout: 180_000 }, async (t) => {
  const first = await createProcessHarness();
  await first.runtime.close();
  const { home } = first;
  const spec = await containerSpec('r1');
  const platform = await createPlatformProcess({ home, files: HANGS, spec }, ({ line }) => line !== undefined);
  const pid = await hanging(home);
  await platform.kill();
  assert.ok(readProcess(pid), 'the install goes on without the platform');
  assert.ok(existsSync(join(home, 'images', 'probe@1.0.0-0a1b2c3d', 'app', 'main.js')), 'half an image is there');
  const { runtime } = await harnessFor(t, { home });
  assert.deepEqual(await builders(home), []);
  assert.deepEqual(await readdir(join(home, 'images')), []);
  await ensureApp(runtime, { 'main.js': '' });
  assert.deepEqual(await runtime.listImages(), [IMAGE]);
});

test('refuses runtimes that need Docker', async (t) => {
  const { runtime } = await harnessFor(t);
  const manifest = manifestWith({ runtime: 'dockerfile', entry: 'Dockerfile' });
  await assert.rejects(ensureApp(runtime, { Dockerfile: 'FROM scratch' }, { manifest }), (error: AvkError) => {
    assert.equal(error.code, 'AVK_RUNTIME_UNSUPPORTED');
    assert.match(error.message, /need machines with Docker.*node, python, static/);
    return true;
  });
});

test('a build sees nothing of the platform but what npm needs', { timeout: 180_000 }, async (t) => {
  const { PATH, HOME } = process.env;
  const environment = { PATH, HOME, HTTPS_PROXY: process.env.HTTPS_PROXY, ADMIN_PASSWORD: 's3cr3t' };
  const { runtime, home } = await harnessFor(t, { environment });
  await ensureApp(runtime, {
    'main.js': '',
    'package.json': packageJson({ scripts: { install: 'node write.js' } }),
    'write.js': "require('node:fs').writeFileSync('env.json', JSON.stringify(process.env));",
  });
  const env = JSON.parse(await readFile(join(home, 'images', 'probe@1.0.0-0a1b2c3d', 'app', 'env.json'), 'utf8'));
  assert.equal(env.ADMIN_PASSWORD, undefined);
  assert.ok(env.HOME.startsWith(home));
  assert.ok(!existsSync(env.HOME));
});
