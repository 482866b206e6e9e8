import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { systemClock } from '../../src/adapters/clock/system.ts';
import { createBody } from '../../src/adapters/container-runtime/docker/containers.ts';
import { createdSchema, infoSchema } from '../../src/adapters/container-runtime/docker/docker-answers.ts';
import { createDockerApi } from '../../src/adapters/container-runtime/docker/docker-api.ts';
import type { DockerRuntime } from '../../src/adapters/container-runtime/docker/runtime.ts';
import { healthSchema } from '../../src/domain/manifest.ts';
import type { ContainerInfo } from '../../src/ports/container-runtime.ts';
import { eventually } from '../support/eventually.ts';
import { createDockerHarness, type DockerHarness } from './docker-harness.ts';
import { APP, ask, ensure, follow, manifestWith, must, never, specFor, started } from './docker-lab.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';
import { createSshLab } from './ssh-lab.ts';
import type { FleetVm } from './vm.ts';

const DEADLINE = { deadlineMs: 40_000 };
const SLOW = { timeout: 120_000 };

describe('containers on a fleet', fleetOrSkip(), () => {
  let fleet: Fleet;
  let vm: FleetVm;
  let harness: DockerHarness;
  let runtime: DockerRuntime;

  before(async () => {
    fleet = await bringUpFleet(1);
    vm = fleet.vms[0] as FleetVm;
  });
  after(() => fleet?.down());
  beforeEach(async () => {
    harness = await createDockerHarness(vm, createSshLab);
    runtime = harness.runtime;
    await ensure(runtime, { 'main.js': APP });
  });
  afterEach(() => harness.cleanup());

  const told = (): ContainerInfo[] => {
    const all: ContainerInfo[] = [];
    runtime.onExit((info) => all.push(info));
    return all;
  };

  test('an app in a container is nobody on the machine, and cannot become anybody', async () => {
    const { info } = await started(harness);
    const status = await ask(info, '/status');
    const field = (name: string): string | undefined => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1];
    assert.equal(field('Uid')?.split('\t')[0], '10001');
    assert.equal(field('NoNewPrivs'), '1');
    for (const name of ['CapEff', 'CapPrm', 'CapBnd', 'CapInh']) assert.equal(field(name), '0'.repeat(16), name);
    // Its own files and /tmp are its to write.
    await ask(info, '/write');
    const [details] = JSON.parse(await must(vm, 'docker', 'inspect', info.containerId));
    assert.partialDeepStrictEqual(details.HostConfig, {
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      Privileged: false,
      Init: true,
      PidsLimit: 256,
      NanoCpus: 500_000_000,
      Memory: 256 * 1024 * 1024,
      MemorySwap: 256 * 1024 * 1024,
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'json-file', Config: { 'max-file': '2', 'max-size': '5m' } },
    });
    assert.deepEqual(details.Mounts, []);
    const published = [{ HostIp: vm.address, HostPort: String(info.hostPort) }];
    assert.deepEqual(details.NetworkSettings.Ports, { '8050/tcp': published });
    assert.notEqual((await vm.exec(['busybox', 'nc', '-w', '1', '127.0.0.1', String(info.hostPort)])).exitCode, 0);
  });

  test('what runs is known without asking, by container', async () => {
    const manifest = manifestWith({ resources: { cpus: 64, memoryMb: 64 } });
    const { spec, info } = await started(harness, { manifest, resources: manifest.resources });
    const known = runtime.running().get(info.containerId);
    assert.equal(known?.id, spec.id);
    assert.equal(known?.memoryMb, 64);
    // No more than the machine has.
    assert.ok(known && known.cpus < 64);
    const later = await harness.reopen();
    await eventually(() => later.running().has(info.containerId));
    await runtime.stop(spec.id, 5);
    assert.equal(runtime.running().size, 0);
    await eventually(() => later.running().size === 0);
    await later.close();
  });

  test('a container that is none of ours is neither seen nor touched', async () => {
    const spec = await specFor(harness);
    const run = ['docker', 'run', '--detach', '--init', '--name', spec.name, 'node:24-slim', 'sleep', '600'];
    const id = (await must(vm, ...run)).trim();
    try {
      assert.deepEqual(await runtime.list(), []);
      await assert.rejects(runtime.start(spec, { signal: never() }), {
        code: 'AVK_START_FAILED',
        message: /already in use/,
      });
      await runtime.remove(spec.id);
      assert.equal((await must(vm, 'docker', 'inspect', '--format', '{{.State.Running}}', id)).trim(), 'true');
    } finally {
      await must(vm, 'docker', 'rm', '--force', id);
    }
  });

  test('a container that somebody removed by hand has ended', async () => {
    const { spec, info } = await started(harness);
    const ends = told();
    await must(vm, 'docker', 'rm', '--force', info.containerId);
    await eventually(() => ends.length > 0);
    assert.partialDeepStrictEqual(ends, [{ id: spec.id, state: 'exited', exitSignal: 'SIGKILL' }]);
    assert.equal(await runtime.inspect(spec.id), null);
  });

  test('a replica that used more memory than it may is said to have', SLOW, async () => {
    const main = `${APP} if (process.env.HUNGRY) setTimeout(() => { const all = []; for (;;) all.push(Buffer.alloc(1e6, 1)); }, 500);`;
    await ensure(runtime, { 'main.js': main }, { image: 'probe:2.0.0-0a1b2c3d' });
    const ends = told();
    const resources = { cpus: 1, memoryMb: 64 };
    await runtime.start(await specFor(harness, { image: 'probe:2.0.0-0a1b2c3d', env: { HUNGRY: '1' }, resources }), {
      signal: never(),
    });
    await eventually(() => ends.length > 0, DEADLINE);
    assert.equal(ends[0]?.exitSignal, 'SIGKILL');
    assert.match(harness.logged.join('\n'), /used more memory than it may/);
  });

  test('a log is followed over the ends and starts of its replica', async () => {
    const { spec, info } = await started(harness);
    const { seen, end } = follow(runtime, spec.id);
    const lines = (): string[] => seen.map(({ line }) => line);
    await ask(info, '/print?first');
    await eventually(() => lines().includes('first'));
    await ask(info, '/exit?3').catch(() => undefined);
    await eventually(async () => (await runtime.inspect(spec.id))?.state === 'exited');
    await runtime.start(spec, { signal: never() });
    await eventually(() => ask(info));
    await ask(info, '/print?second');
    await eventually(() => lines().includes('second'));
    await end();
    assert.deepEqual(lines(), ['listening', 'first', 'listening', 'second']);
    const fresh: string[] = [];
    const abort = new AbortController();
    const following = (async () => {
      for await (const { line } of runtime.logs(spec.id, { tail: 0, follow: true, signal: abort.signal }))
        fresh.push(line);
    })();
    await eventually(async () => {
      await ask(info, '/print?new');
      return fresh.length > 0;
    });
    abort.abort();
    await following;
    assert.deepEqual([...new Set(fresh)], ['new']);
  });

  test('Docker killed and started again: what ended meanwhile is told, and all goes on', SLOW, async () => {
    const { spec, info } = await started(harness);
    const { seen, end } = follow(runtime, spec.id);
    await eventually(() => seen.length > 0);
    const ends = told();
    await vm.kill('dockerd');
    await assert.rejects(runtime.list(), { code: 'AVK_HOST_UNREACHABLE', message: /Docker on VM1 does not answer/ });
    const check = await runtime.checkHealth(info.address, null, 1_000);
    if (!check.healthy) assert.equal(check.unknown, true, check.reason);
    await eventually(() => /^Docker on VM1 does not answer/.test(runtime.trouble() ?? ''), DEADLINE);
    await vm.begin('dockerd');
    await eventually(() => runtime.trouble() === null, DEADLINE);
    // Without live-restore, Docker ends what ran before when it is back.
    await eventually(() => ends.length > 0, DEADLINE);
    assert.partialDeepStrictEqual(ends, [{ id: spec.id, state: 'exited' }]);
    assert.equal(ends.length, 1);
    await runtime.start(spec, { signal: never() });
    await eventually(() => ask(info), DEADLINE);
    await ask(info, '/print?after');
    await eventually(() => seen.some(({ line }) => line === 'after'), DEADLINE);
    await end();
    assert.ok(runtime.running().has(info.containerId));
  });

  test('an end during a black-holed connection is told once that is over', SLOW, async () => {
    const { spec, info } = await started(harness);
    const ends = told();
    const health = healthSchema.parse({ path: '/' });
    await vm.cut();
    try {
      const result = await runtime.checkHealth(info.address, health, 1_000);
      assert.partialDeepStrictEqual(result, { healthy: false, unknown: true });
      await must(vm, 'docker', 'kill', info.containerId);
      await assert.rejects(runtime.inspect(spec.id), { code: 'AVK_HOST_UNREACHABLE' });
    } finally {
      await vm.heal();
    }
    await eventually(() => ends.length > 0, DEADLINE);
    assert.partialDeepStrictEqual(ends, [{ id: spec.id, state: 'exited', exitSignal: 'SIGKILL' }]);
    const again = await runtime.start(spec, { signal: never() });
    await eventually(async () => (await runtime.checkHealth(again.address, health, 1_000)).healthy, DEADLINE);
  });

  test('a container that a killed platform made and did not start is started', async () => {
    const spec = await specFor(harness);
    const api = createDockerApi({ host: harness.host, clock: systemClock });
    const cores = (await api.call('GET', '/info', infoSchema)).NCPU;
    const body = createBody(spec, { name: vm.name, address: vm.address, cores });
    const made = await api.call('POST', '/containers/create', createdSchema, { query: { name: spec.name }, body });
    api.close();
    assert.partialDeepStrictEqual(await runtime.inspect(spec.id), {
      state: 'exited',
      exitCode: null,
      exitSignal: null,
    });
    assert.equal((await runtime.start(spec, { signal: never() })).containerId, made.Id);
    // One that was made from something else does not become it.
    await runtime.stop(spec.id, 5);
    const other = await runtime.start({ ...spec, env: { ...spec.env, ROOM: '7' } }, { signal: never() });
    assert.notEqual(other.containerId, made.Id);
    assert.equal(JSON.parse(await eventually(() => ask(other))).ROOM, '7');
  });

  test('a replica goes on when the platform ends, and is found when it is back', async () => {
    const { spec, info } = await started(harness);
    const first = await harness.reopen();
    await first.close();
    await ask(info);
    const later = await harness.reopen();
    const ends: ContainerInfo[] = [];
    later.onExit((each) => ends.push(each));
    assert.equal((await later.start(spec, { signal: never() })).containerId, info.containerId);
    await ask(info, '/exit?5').catch(() => undefined);
    await eventually(() => ends.length > 0);
    assert.partialDeepStrictEqual(ends, [{ id: spec.id, exitCode: 5 }]);
    await later.close();
  });
});
