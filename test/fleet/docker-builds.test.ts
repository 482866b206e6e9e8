import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import type { AvkError, ErrorCode } from '../../src/domain/errors.ts';
import { zipWith } from '../support/bad-zips.ts';
import { eventually } from '../support/eventually.ts';
import { createDockerHarness, type DockerHarness } from './docker-harness.ts';
import { APP, ask, ensure, IMAGE, manifestWith, must, never, specFor, started } from './docker-lab.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';
import { createSshLab } from './ssh-lab.ts';
import type { FleetVm } from './vm.ts';

const OWN = manifestWith({ runtime: 'dockerfile', entry: 'Dockerfile' });
const failure = async (work: Promise<unknown>, code: ErrorCode): Promise<AvkError> => {
  const error = await work.then(
    () => assert.fail('it did not fail'),
    (thrown: AvkError) => thrown,
  );
  assert.equal(error.code, code, error.stack);
  return error;
};

describe('images on a fleet', fleetOrSkip(), () => {
  let fleet: Fleet;
  let vm: FleetVm;
  let harness: DockerHarness;

  before(async () => {
    fleet = await bringUpFleet(2);
    vm = fleet.vms[0] as FleetVm;
  });
  after(() => fleet?.down());
  beforeEach(async () => {
    harness = await createDockerHarness(vm, createSshLab);
  });
  afterEach(() => harness.cleanup());

  /** Containers of any kind, and images that are neither named nor below one that is. */
  const leftovers = async (): Promise<string[]> => {
    const containers = await must(vm, 'docker', 'ps', '--all', '--quiet');
    const images = await must(vm, 'docker', 'images', '--filter', 'dangling=true', '--quiet');
    return `${containers}${images}`.split('\n').filter(Boolean);
  };

  test('an app with its own Dockerfile is built and run', async () => {
    const dockerfile =
      'FROM node:24-slim AS build\nRUN echo made > /made\nFROM node:24-slim\nCOPY --from=build /made /made\n' +
      'WORKDIR /srv\nCOPY . .\nENV FROM_IMAGE=yes\nCMD ["node", "server.js"]\n';
    const files = { Dockerfile: dockerfile, 'server.js': APP, 'left-out.txt': 'x', '.dockerignore': 'left-out.txt\n' };
    const said = await ensure(harness.runtime, files, { manifest: OWN });
    assert.ok(said.some((line) => line.startsWith('Step 1/')));
    const { info } = await started(harness, { manifest: OWN, env: { TOLD: 'yes' } });
    assert.partialDeepStrictEqual(JSON.parse(await ask(info)), { FROM_IMAGE: 'yes', TOLD: 'yes', PORT: '8050' });
    const listed = await must(vm, 'docker', 'exec', info.containerId, 'ls', '/srv', '/made');
    assert.doesNotMatch(listed, /left-out/);
    await harness.runtime.remove(info.id);
    // Not even the image of the first stage stays, which has no name.
    await eventually(async () => (await leftovers()).length === 0);
  });

  test('dependencies are installed when the image is built', async () => {
    const packageJson = JSON.stringify({ name: 'probe', dependencies: { greeting: 'file:./greeting' } });
    await ensure(harness.runtime, {
      'main.js': `console.log(require('greeting')); ${APP}`,
      'package.json': packageJson,
      'greeting/package.json': '{"name":"greeting","version":"1.0.0"}',
      'greeting/index.js': "module.exports = 'hello';",
    });
    const { info } = await started(harness);
    const lines: string[] = [];
    for await (const { line } of harness.runtime.logs(info.id, { tail: 9, follow: false, signal: never() }))
      lines.push(line);
    assert.deepEqual(lines, ['hello', 'listening']);
  });

  test('requirements of a Python app are installed into an environment of its own', { timeout: 120_000 }, async () => {
    const wheel = await zipWith({
      'greeting.py': { data: "TEXT = 'hello from a wheel'\n" },
      'greeting-1.0.dist-info/METADATA': { data: 'Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n' },
      'greeting-1.0.dist-info/WHEEL': { data: 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n' },
      'greeting-1.0.dist-info/RECORD': { data: '' },
    });
    const main =
      'import greeting, sys, os, time\nprint(greeting.TEXT, sys.prefix, os.getuid())\nwhile True: time.sleep(1)\n';
    const bundle = async () =>
      Readable.from([
        await zipWith({
          'main.py': { data: main },
          'requirements.txt': { data: './greeting-1.0-py3-none-any.whl\n' },
          'greeting-1.0-py3-none-any.whl': { data: wheel },
        }),
      ]);
    const manifest = manifestWith({ runtime: 'python', entry: 'main.py' });
    await harness.runtime.ensureImage({ image: IMAGE, manifest, bundle }, { signal: never(), log: () => undefined });
    const spec = await specFor(harness, { manifest });
    await harness.runtime.start(spec, { signal: never() });
    await eventually(async () => {
      for await (const { line } of harness.runtime.logs(spec.id, { tail: 9, follow: false, signal: never() }))
        return line === 'hello from a wheel /venv 10001';
      return false;
    });
  });

  const HANGS = { Dockerfile: 'FROM node:24-slim\nRUN echo begun && sleep 4242\n' };
  const sleeping = async (): Promise<boolean> => (await vm.exec(['pgrep', '-f', 'sleep 4242'])).exitCode === 0;

  test('a build that hangs is ended at its deadline, and nothing of it stays', { timeout: 120_000 }, async () => {
    const impatient = await createDockerHarness(vm, createSshLab, { buildTimeoutMs: 6_000 });
    try {
      const error = await failure(ensure(impatient.runtime, HANGS, { manifest: OWN }), 'AVK_BUILD_FAILED');
      assert.equal(error.message, 'The build took longer than 6 s.');
      assert.ok(error.lastLogLines.includes('begun'), error.lastLogLines.join('\n'));
      assert.equal(await sleeping(), false);
      assert.deepEqual(await impatient.runtime.listImages(), []);
      await eventually(async () => (await leftovers()).length === 0);
    } finally {
      await impatient.cleanup();
    }
  });

  test('a build is cancelled on the machine before its caller hears of it', { timeout: 120_000 }, async () => {
    const abort = new AbortController();
    const begun = Promise.withResolvers<void>();
    const log = (line: string): void => {
      if (line === 'begun') begun.resolve();
    };
    const building = ensure(harness.runtime, HANGS, { manifest: OWN, signal: abort.signal, log });
    building.catch(() => undefined);
    await begun.promise;
    assert.equal(await sleeping(), true);
    abort.abort(new Error('changed my mind'));
    await assert.rejects(building, /changed my mind/);
    assert.equal(await sleeping(), false);
    await eventually(async () => (await leftovers()).length === 0);
  });

  test('a build that fails says so with its last lines, and nothing of it stays', async () => {
    const lines = Array.from({ length: 40 }, (_, n) => `echo line-${n}`).join(' && ');
    // In one stream: Docker brings two of them in whatever order.
    const dockerfile = `FROM node:24-slim\nRUN (${lines} && echo why) >&2; exit 3\n`;
    const error = await failure(
      ensure(harness.runtime, { Dockerfile: dockerfile }, { manifest: OWN }),
      'AVK_BUILD_FAILED',
    );
    assert.match(error.message, / failed with exit code 3\.$/);
    assert.equal(error.lastLogLines.length, 20);
    assert.ok(error.lastLogLines.includes('why') && error.lastLogLines.includes('line-39'));
    await eventually(async () => (await leftovers()).length === 0);
    const odd = await failure(
      ensure(harness.runtime, { Dockerfile: 'FORM x\n' }, { manifest: OWN }),
      'AVK_BUILD_FAILED',
    );
    assert.match(odd.message, /unknown instruction: FORM/i);
  });

  test('a build may use so much of its machine and no more, and says so', { timeout: 120_000 }, async () => {
    const dockerfile = (step: string): Record<string, string> => ({ Dockerfile: `FROM node:24-slim\nRUN ${step}\n` });
    const read =
      'for each in memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.shares; do ' +
      'echo "$each $(cat /sys/fs/cgroup/$each 2> /dev/null)"; done';
    const said = await ensure(harness.runtime, dockerfile(read), { manifest: OWN });
    const cores = Number(await must(vm, 'docker', 'info', '--format', '{{.NCPU}}'));
    const told = (name: string): string | undefined => said.find((line) => line.startsWith(`${name} `))?.split(' ')[1];
    assert.equal(told('memory/memory.limit_in_bytes'), String(2 * 1024 ** 3), said.join('\n'));
    assert.equal(told('cpu/cpu.cfs_quota_us'), String(cores * 80_000));
    assert.equal(told('cpu/cpu.shares'), '256');

    const small = await createDockerHarness(vm, createSshLab, { buildMemoryMb: 128 });
    try {
      const greedy = dockerfile(`echo begun && node -e "const all = []; for (;;) all.push(Buffer.alloc(1 << 24, 1))"`);
      const image = 'probe:2.0.0-0a1b2c3d';
      const error = await failure(ensure(small.runtime, greedy, { manifest: OWN, image }), 'AVK_BUILD_FAILED');
      assert.match(error.message, / failed with exit code 137: it was killed, .* more than the 128 MiB of memory/);
      assert.ok(error.lastLogLines.includes('begun'));
      await eventually(async () => (await leftovers()).length === 0);
    } finally {
      await small.cleanup();
    }
  });

  test('says which image could not be pulled, where, and what to do', { timeout: 120_000 }, async () => {
    const files = { Dockerfile: 'FROM avishkar.invalid/no/such:1\n' };
    const own = await failure(ensure(harness.runtime, files, { manifest: OWN }), 'AVK_BUILD_FAILED');
    assert.match(
      own.message,
      /^The image avishkar\.invalid\/no\/such:1, .*, could not be pulled on VM1: .*docker load\)\.$/,
    );
    const baseImages = { node: 'node:1-none', python: 'python:3.13-slim' };
    const other = await createDockerHarness(vm, createSshLab, { baseImages });
    try {
      const ours = await failure(ensure(other.runtime, { 'main.js': APP }), 'AVK_BUILD_FAILED');
      assert.match(ours.message, /^The image node:1-none, .* could not be pulled on VM1/);
    } finally {
      await other.cleanup();
    }
  });

  test('an image that somebody pruned is missed at the start, and made again', async () => {
    await ensure(harness.runtime, { 'main.js': APP });
    // Docker trips over the removal of what the build left, should that be under way.
    await eventually(async () => {
      await vm.exec(['docker', 'image', 'rm', '--force', IMAGE]);
      return (await vm.exec(['docker', 'image', 'inspect', IMAGE])).exitCode !== 0;
    });
    const start = harness.runtime.start(await specFor(harness), { signal: never() });
    assert.match((await failure(start, 'AVK_IMAGE_MISSING')).message, /probe:1\.0\.0-0a1b2c3d is not on VM1/);
    await ensure(harness.runtime, { 'main.js': APP });
    await started(harness);
  });

  test('what a build of an earlier platform left is removed, and nothing that others run', async () => {
    await ensure(harness.runtime, { 'main.js': APP });
    const byHand = (await must(vm, 'docker', 'create', IMAGE)).trim();
    const dockerfile = 'FROM node:24-slim\nLABEL avishkar.build=1\nENV A=1\n';
    const built = await vm.exec(['docker', 'build', '--quiet', '-'], { stdin: dockerfile });
    const left = (await must(vm, 'docker', 'create', built.stdout.trim(), 'true')).trim();
    const later = await harness.reopen();
    try {
      await eventually(async () => !(await leftovers()).some((id) => left.startsWith(id)));
      await eventually(async () => (await vm.exec(['docker', 'image', 'inspect', built.stdout.trim()])).exitCode !== 0);
      assert.ok((await leftovers()).some((id) => byHand.startsWith(id)));
      assert.deepEqual(await later.listImages(), [IMAGE]);
    } finally {
      await must(vm, 'docker', 'rm', '--force', byHand);
      await later.close();
    }
  });

  test('an image is brought from another machine instead of built again', { timeout: 120_000 }, async () => {
    const first = harness.runtime;
    const peers = () => [first];
    const there = await createDockerHarness(fleet.vms[1] as FleetVm, createSshLab, { peers });
    try {
      await ensure(first, { 'main.js': APP });
      assert.deepEqual(await ensure(there.runtime, { 'main.js': APP }), ['Bringing the image from VM1']);
      assert.deepEqual(await there.runtime.listImages(), [IMAGE]);
      await started(there);
      for (const { id } of await there.runtime.list()) await there.runtime.remove(id);
      await there.runtime.removeImage(IMAGE);

      await vm.kill('dockerd');
      const said = await ensure(there.runtime, { 'main.js': APP });
      assert.ok(
        said.some((line) => line.startsWith('Step 1/')),
        said.join('\n'),
      );
      assert.match(there.logged.join('\n'), /could not be brought from VM1 to VM2/);
    } finally {
      await vm.begin('dockerd');
      await there.cleanup();
    }
  });

  test('nothing is built or started on a machine whose disk is full', { timeout: 120_000 }, async () => {
    await ensure(harness.runtime, { 'main.js': APP });
    const other = await createDockerHarness(vm, createSshLab);
    await vm.fillDisk();
    try {
      const full = /^The disk of VM1 is full: .* % \(\d+ MiB\) .* 5 % have to be/;
      const start = other.runtime.start(await specFor(other), { signal: never() });
      assert.match((await failure(start, 'AVK_DISK_FULL')).message, full);
      const build = ensure(other.runtime, { 'main.js': APP }, { image: 'probe:2.0.0-0a1b2c3d' });
      assert.match((await failure(build, 'AVK_DISK_FULL')).message, full);
    } finally {
      await vm.freeDisk();
      await other.cleanup();
    }
    const again = await createDockerHarness(vm, createSshLab);
    await ensure(again.runtime, { 'main.js': APP });
    await started(again);
    await again.cleanup();
  });
});
