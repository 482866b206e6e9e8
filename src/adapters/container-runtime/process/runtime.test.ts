import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { expectContractToFail } from '../../../../test/contracts/broken.ts';
import { containerRuntimeContract } from '../../../../test/contracts/container-runtime.contract.ts';
import { eventually } from '../../../../test/support/eventually.ts';
import type { AvkError } from '../../../domain/errors.ts';
import type { ContainerInfo } from '../../../ports/container-runtime.ts';
import { readProcess } from '../../host/proc.ts';
import type { ProcessRuntimeOptions } from './runtime.ts';
import {
  containerSpec,
  createPlatformProcess,
  createProcessHarness,
  ensureApp,
  manifestWith,
  type ProcessHarness,
} from './test-support.ts';

containerRuntimeContract('The process runtime', { create: createProcessHarness });

const broken = (name: string): URL =>
  new URL(`../../../../test/contracts/broken/container-runtime-${name}.fixture.ts`, import.meta.url);

test('the ContainerRuntime contract notices a runtime that forgets exits', () =>
  expectContractToFail(broken('forgets-exits'), [
    'tells of a container that ended by itself, with its exit code',
    'does not tell of a container that was stopped, nor to those who stopped listening',
  ]));

test('the ContainerRuntime contract notices a runtime that starts what runs already', () =>
  expectContractToFail(broken('starts-anew'), [
    'adopts a container that runs already',
    'starts a container of the same id again after it ended, with its logs',
  ]));

const signal = new AbortController().signal;
const STAYS = "console.log('up'); setInterval(() => {}, 1000);";
/** Leaves one child in its session and one in a session of its own, and tells their pids. */
const FORKS = `
const { spawn } = require('node:child_process');
const children = [false, true].map((detached) => spawn('sleep', ['600'], { detached, stdio: 'ignore' }).pid);
console.log(JSON.stringify([process.pid, ...children]));
process.on('SIGTERM', () => process.exit(0));
if (process.env.LEAVE) setTimeout(() => process.exit(3), 300);
setInterval(() => {}, 1000);
`;

async function harnessFor(t: TestContext, changes: Partial<ProcessRuntimeOptions> = {}): Promise<ProcessHarness> {
  const harness = await createProcessHarness(changes);
  t.after(() => harness.cleanup());
  return harness;
}

async function lines({ runtime }: Pick<ProcessHarness, 'runtime'>, id = 'r1', tail = 1000): Promise<string[]> {
  const found: string[] = [];
  for await (const { line } of runtime.logs(id, { tail, follow: false, signal })) found.push(line);
  return found;
}

const pidOf = (info: ContainerInfo): number => Number(info.containerId.replace('process-', ''));

/** A container that an earlier platform started, and a new runtime that has yet to find it. */
async function afterCrash(t: TestContext, main: string, meanwhile?: (home: string, pid: number) => Promise<void>) {
  const first = await createProcessHarness();
  await first.runtime.close();
  const { home } = first;
  const spec = await containerSpec('r1');
  const platform = await createPlatformProcess({ home, files: { 'main.js': main }, spec }, (message) => !!message.info);
  const before = platform.message.info;
  assert.ok(before);
  await platform.kill();
  assert.ok(readProcess(pidOf(before)), 'the app goes on without the platform');
  await meanwhile?.(join(home, 'containers', spec.name), pidOf(before));
  const harness = await harnessFor(t, { home });
  return { harness, before, spec };
}

test('adopts what runs on after the platform was killed', async (t) => {
  const { harness, before, spec } = await afterCrash(t, STAYS);
  const { runtime } = harness;
  assert.deepEqual(await runtime.list(), [before]);
  assert.deepEqual(await runtime.start(spec, { signal }), before);
  await eventually(async () => (await lines(harness)).includes('up'));
  const told: ContainerInfo[] = [];
  runtime.onExit((info) => told.push(info));
  process.kill(pidOf(before), 'SIGKILL');
  await eventually(() => told.length === 1);
  assert.deepEqual(told, [{ ...before, state: 'exited' }]);
  assert.equal((await runtime.start(spec, { signal })).state, 'running');
});

test('stops what it adopted, with all that it started', async (t) => {
  const { harness } = await afterCrash(t, FORKS);
  const pids = await eventually(async () => JSON.parse((await lines(harness))[0] ?? 'null') as number[] | null);
  assert.equal(pids.length, 3);
  await harness.runtime.stop('r1', 20);
  assert.deepEqual(pids.map(readProcess), [null, null, null]);
});

test('finds a process by its marker when the platform died before noting its pid', async (t) => {
  const { harness, before, spec } = await afterCrash(t, STAYS, (folder) => rm(join(folder, 'process.json')));
  assert.deepEqual(await harness.runtime.list(), [before]);
  assert.deepEqual(await harness.runtime.start(spec, { signal }), before);
});

test('ends what a container left running that ended while no platform was there', async (t) => {
  let pids: number[] = [];
  const { harness, before } = await afterCrash(t, FORKS, async (folder, pid) => {
    pids = await eventually(async () => JSON.parse(await readFile(join(folder, 'stdout.log'), 'utf8')) as number[]);
    process.kill(pid, 'SIGKILL');
    await eventually(() => readProcess(pid) === null);
  });
  assert.deepEqual(await harness.runtime.list(), [{ ...before, state: 'exited' }]);
  assert.deepEqual(pids.map(readProcess), [null, null, null]);
});

test('leaves a process alone that got the pid of a container', async (t) => {
  const innocent = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
  t.after(() => innocent.kill('SIGKILL'));
  const { pid } = innocent;
  assert.ok(pid);
  const { harness } = await afterCrash(t, STAYS, async (folder, own) => {
    process.kill(own, 'SIGKILL');
    const record = JSON.parse(await readFile(join(folder, 'process.json'), 'utf8'));
    await writeFile(join(folder, 'process.json'), JSON.stringify({ ...record, pid }));
  });
  assert.equal((await harness.runtime.inspect('r1'))?.state, 'exited');
  await harness.runtime.stop('r1', 0);
  await harness.runtime.remove('r1');
  assert.ok(readProcess(pid));
});

test('ends what an app started, before it tells that the app ended', async (t) => {
  const harness = await harnessFor(t);
  const { runtime } = harness;
  await ensureApp(runtime, { 'main.js': FORKS });
  const told: { info: ContainerInfo; left: unknown[] }[] = [];
  runtime.onExit((info) => told.push({ info, left: pids.map(readProcess) }));
  let pids: number[] = [];
  await runtime.start(await containerSpec('r1', { env: { LEAVE: '1' } }), { signal });
  pids = await eventually(async () => JSON.parse((await lines(harness))[0] ?? 'null') as number[] | null);
  await eventually(() => told.length === 1);
  assert.equal(told[0]?.info.exitCode, 3);
  assert.deepEqual(told[0]?.left, [null, null, null]);
});

test('ends what an app started when it stops the app', async (t) => {
  const harness = await harnessFor(t);
  await ensureApp(harness.runtime, { 'main.js': FORKS });
  await harness.runtime.start(await containerSpec('r1'), { signal });
  const pids = await eventually(async () => JSON.parse((await lines(harness))[0] ?? 'null') as number[] | null);
  await harness.runtime.stop('r1', 20);
  assert.deepEqual(pids.map(readProcess), [null, null, null]);
});

test('a stop with less grace does not wait for one with more', async (t) => {
  const harness = await harnessFor(t);
  await ensureApp(harness.runtime, { 'main.js': `process.on('SIGTERM', () => {}); ${STAYS}` });
  await harness.runtime.start(await containerSpec('r1'), { signal });
  await eventually(async () => (await lines(harness)).includes('up'));
  const patient = harness.runtime.stop('r1', 600);
  await harness.runtime.remove('r1');
  await patient;
  assert.deepEqual(await harness.runtime.list(), []);
});

test('keeps the output of a flooding app small, and its end readable', async (t) => {
  const harness = await harnessFor(t);
  const { runtime, home } = harness;
  const flood = `
const { writeSync } = require('node:fs');
const chunk = Buffer.from(('y'.repeat(99) + '\\n').repeat(10000));
for (let n = 0; n < 100; n += 1) writeSync(1, chunk);
setTimeout(() => console.log('flooded'), 700);
setInterval(() => {}, 1000);`;
  await ensureApp(runtime, { 'main.js': flood });
  await runtime.start(await containerSpec('r1'), { signal });
  await eventually(async () => (await lines(harness, 'r1', 1)).includes('flooded'), { deadlineMs: 30_000 });
  const folder = join(home, 'containers', 'probe-1_instance_1');
  await eventually(async () => {
    const sizes = await Promise.all((await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size));
    return sizes.reduce((sum, size) => sum + size, 0) < 9 * 1024 * 1024;
  });
  assert.deepEqual(await lines(harness, 'r1', 2), ['y'.repeat(99), 'flooded']);
  assert.deepEqual(harness.logged, []);
});

test('an app gets its own variables and the few that a program needs, and no file holds them', async (t) => {
  const harness = await harnessFor(t);
  const { runtime, home } = harness;
  await ensureApp(runtime, { 'main.js': `console.log(JSON.stringify(process.env)); ${STAYS}` });
  const spec = await containerSpec('r1', { env: { API_KEY: 's3cr3t-value' } });
  await runtime.start(spec, { signal });
  const env = await eventually(async () => JSON.parse((await lines(harness))[0] ?? 'null'));
  const expected = ['API_KEY', 'AVISHKAR_REPLICA_ID', 'HOME', 'LANG', 'NODE_ENV', 'PATH', 'PORT', 'TMPDIR'];
  assert.deepEqual(Object.keys(env).sort(), expected);
  assert.equal(env.AVISHKAR_REPLICA_ID, 'r1');
  for (const folder of [env.HOME, env.TMPDIR]) assert.ok(folder.startsWith(join(home, 'containers')));
  for (const entry of await readdir(home, { recursive: true, withFileTypes: true })) {
    // The app itself printed it.
    if (!entry.isFile() || entry.name === 'stdout.log') continue;
    assert.doesNotMatch(await readFile(join(entry.parentPath, entry.name), 'utf8'), /s3cr3t-value/);
  }
});

test('says which file is missing to start with', async (t) => {
  const { runtime } = await harnessFor(t);
  await ensureApp(runtime, { 'other.js': '' });
  await assert.rejects(runtime.start(await containerSpec('r1'), { signal }), (error: AvkError) => {
    assert.equal(error.code, 'AVK_START_FAILED');
    assert.match(error.message, /main\.js/);
    return true;
  });
  assert.deepEqual(await runtime.list(), []);
});

test('says that a program to start it is missing', async (t) => {
  const { runtime } = await harnessFor(t, { nodePath: '/no/such/node' });
  await ensureApp(runtime, { 'main.js': STAYS });
  const failed = (error: AvkError): boolean => error.code === 'AVK_START_FAILED';
  await assert.rejects(runtime.start(await containerSpec('r1'), { signal }), failed);
  assert.deepEqual(await runtime.list(), []);
});

test('stops all when the platform does, and brings them back under their ids', async (t) => {
  const first = await createProcessHarness();
  const { home } = first;
  await ensureApp(first.runtime, { 'main.js': `process.on('SIGTERM', () => process.exit(0)); ${STAYS}` });
  const specs = await Promise.all(
    ['r1', 'r2'].map((id) => containerSpec(id, { name: `probe-1_instance_${id}`, manifest: manifestWith() })),
  );
  const told: ContainerInfo[] = [];
  first.runtime.onExit((info) => told.push(info));
  const infos = await Promise.all(specs.map((spec) => first.runtime.start(spec, { signal })));
  for (const id of ['r1', 'r2']) await eventually(async () => (await lines(first, id)).includes('up'));
  await Promise.all([first.runtime.close(), first.runtime.close()]);
  assert.deepEqual(infos.map(pidOf).map(readProcess), [null, null]);
  assert.deepEqual(told, []);
  const refused = (error: AvkError): boolean => error.code === 'AVK_START_FAILED' && error.retryable;
  await assert.rejects(first.runtime.start(specs[0] ?? assert.fail(), { signal }), refused);

  const { runtime } = await harnessFor(t, { home });
  const found = (await runtime.list()).sort((a, b) => a.id.localeCompare(b.id));
  assert.deepEqual(
    found,
    infos.map((info) => ({ ...info, state: 'exited', exitCode: 0 })),
  );
  for (const spec of specs) assert.equal((await runtime.start(spec, { signal })).state, 'running');
});

test('measures what a container uses, with what it started', async (t) => {
  const { runtime } = await harnessFor(t);
  const worker = `
const { spawn } = require('node:child_process');
if (process.argv[2]) for (;;);
spawn(process.execPath, [__filename, 'work']);
setInterval(() => {}, 1000);`;
  await ensureApp(runtime, { 'main.js': worker });
  assert.deepEqual(await runtime.usage(), []);
  const manifest = manifestWith({ resources: { cpus: 2, memoryMb: 64 } });
  await runtime.start(await containerSpec('r1', { manifest }), { signal });
  const [usage] = await eventually(async () => {
    const found = await runtime.usage();
    return (found[0]?.cpuSeconds ?? 0) > 0.5 && found;
  });
  assert.partialDeepStrictEqual(usage, { id: 'r1', cpus: 2, memoryMb: 64 });
  assert.ok(usage && usage.memoryBytes > 32 * 1024 * 1024, 'two processes of Node');
});

test('clears away what was half made or half removed', async (t) => {
  const first = await createProcessHarness();
  await first.runtime.close();
  const half = ['containers/half', 'containers/.trash-1', 'images/.staging-1'].map((path) => join(first.home, path));
  for (const path of half) await mkdir(path, { recursive: true });
  const { runtime } = await harnessFor(t, { home: first.home });
  assert.deepEqual(half.map(existsSync), [false, false, false]);
  assert.deepEqual(await runtime.list(), []);
  assert.deepEqual(await runtime.listImages(), []);
});
