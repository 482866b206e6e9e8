import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { type Api, signIn } from '../support/api.ts';
import { appOf, webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, readyUrl, spawnPlatform, startPlatform, type TestPlatform } from '../support/platform.ts';
import {
  fleetHome,
  KILLABLE,
  makePipe,
  neverStopsAsking,
  nodeIs,
  placeOf,
  replicasOn,
  serves,
  vmNamed,
} from './controller.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';

const LATER = { deadlineMs: 60_000 };

/** Where a VM is cut off, in the words of the journal: down before the step, on its way, and after it. */
const POINTS = [
  'deploy.place.finished.after',
  'deploy.build.entered.after',
  'deploy.build.finished.after',
  'deploy.start.entered.after',
  'deploy.start.finished.after',
  'deploy.register.entered.after',
  'deploy.register.finished.after',
];

describe('faults of machines', fleetOrSkip(), () => {
  let fleet: Fleet;
  let home: Home;
  let flags: string[];
  let platform: TestPlatform | null = null;
  let api: Api;

  before(async () => {
    fleet = await bringUpFleet(3);
    ({ home, flags } = fleetHome(fleet));
    await up();
    await api.provide(webApp('web'));
    // NGINX's machine is not to be cut: apps go to the two others.
    await api.request('POST', '/api/nodes/VM1/drain/');
    await nodeIs(api, 'VM1', 'drained');
  });
  after(async () => {
    await platform?.stop();
    await fleet?.down();
    home?.remove();
  });
  afterEach(async () => {
    if (!platform) await up();
    for (const vm of fleet.vms) await vm.heal();
    for (const { instanceName } of await api.instances()) await api.stop(instanceName);
    await eventually(
      async () => (await api.instances()).every(({ state }) => !['running', 'stopping'].includes(state)),
      LATER,
    );
    for (const name of ['VM2', 'VM3']) await nodeIs(api, name, 'ready', 60_000);
  });

  async function up(): Promise<void> {
    platform = await startPlatform({ home, flags });
    api = await signIn(platform.url);
  }

  for (const point of POINTS) {
    test(`a VM that is cut off at ${point}: the app runs on another one`, async () => {
      await platform?.stop();
      platform = null;
      const name = `cut-${point.replaceAll('.', '-')}`;
      const goOn = await makePipe(join(home.directory, point));
      const pausing = spawnPlatform({ home, flags, entry: KILLABLE, env: { PAUSES: home.directory } });
      try {
        const its = await signIn(await readyUrl(pausing));
        for (const node of ['VM2', 'VM3']) await nodeIs(its, node, 'ready');
        its.deploy('web', { instanceName: name }).catch(() => undefined);
        await eventually(() => pausing.output().includes(`paused at ${point}`), LATER);
        const first = placeOf(home, name);
        await vmNamed(fleet, first).cut();
        goOn();
        const instance = await its.reaches(name, 'running', 90_000);
        await eventually(async () => {
          const { replicas } = await its.instance(name);
          return replicas.some(({ state, node }) => state === 'healthy' && node !== first);
        }, LATER);
        await serves(instance.endpoint);
        await vmNamed(fleet, first).heal();
        await nodeIs(its, first, 'ready', 60_000);
        // Whatever was started there meanwhile is taken away.
        await eventually(async () => (await replicasOn(vmNamed(fleet, first), name)).length === 0, LATER);
        await eventually(async () => (await its.instance(name)).replicas.length === 1, LATER);
        await serves(instance.endpoint);
      } finally {
        assert.equal(await pausing.stop(), 0, pausing.output());
      }
    });
  }

  test('a VM that loses its power: its apps are back on another one, and not twice when it is back', async () => {
    await api.deploy('web', { instanceName: 'power', scale: { min: 2, max: 2 } });
    const { endpoint } = await api.reaches('power', 'running');
    await eventually(
      async () => (await api.instance('power')).replicas.filter(({ state }) => state === 'healthy').length === 2,
      LATER,
    );
    const vm = vmNamed(fleet, 'VM2');
    await vm.powerOff();
    await eventually(async () => {
      const healthy = (await api.instance('power')).replicas.filter(({ state }) => state === 'healthy');
      return healthy.length === 2 && healthy.every(({ node }) => node !== 'VM2');
    }, LATER);
    await serves(endpoint);
    await vm.powerOn();
    await nodeIs(api, 'VM2', 'ready', 60_000);
    await eventually(async () => (await api.instance('power')).replicas.length === 2, LATER);
    await eventually(async () => (await replicasOn(vm, 'power')).length === 0, LATER);
  });

  test('an app is stopped although a VM of it is cut off; what is left there goes when the VM is back', async () => {
    await api.deploy('web', { instanceName: 'halves', scale: { min: 2, max: 2 } });
    await api.reaches('halves', 'running');
    await eventually(
      async () => (await api.instance('halves')).replicas.filter(({ state }) => state === 'healthy').length === 2,
      LATER,
    );
    const vm = vmNamed(fleet, 'VM3');
    await vm.cut();
    await api.stop('halves');
    await api.reaches('halves', 'stopped', 60_000);
    assert.equal((await replicasOn(vm, 'halves')).length, 1, 'nobody could tell it');
    await vm.heal();
    await eventually(async () => (await replicasOn(vm, 'halves')).length === 0, LATER);
  });

  test('sshd restarted: apps serve on, and nothing is started twice', async () => {
    await api.deploy('web', { instanceName: 'steady' });
    const { endpoint, node } = await api.reaches('steady', 'running');
    const client = neverStopsAsking(endpoint ?? '');
    const vm = vmNamed(fleet, node);
    await vm.kill('sshd');
    await vm.begin('sshd');
    await nodeIs(api, vm.name, 'ready');
    await api.post('/api/deployedApps/scale/', { instanceName: 'steady', replicas: 2 });
    await eventually(
      async () => (await api.instance('steady')).replicas.filter(({ state }) => state === 'healthy').length === 2,
      LATER,
    );
    await client.stop();
    assert.deepEqual(client.failures, []);
  });

  test('Docker killed and started again: its apps are back by themselves', async () => {
    await api.deploy('web', { instanceName: 'docked' });
    const { endpoint, node } = await api.reaches('docked', 'running');
    const vm = vmNamed(fleet, node);
    await vm.kill('dockerd');
    await vm.begin('dockerd');
    await eventually(async () => (await api.instance('docked')).state === 'running', LATER);
    await serves(endpoint, 60_000);
    const name = await api.deploy('web');
    await api.reaches(name, 'running');
  });

  test('a machine that shows another host key gets nothing, and says what to do', async () => {
    await api.deploy('web', { instanceName: 'moved' });
    const { endpoint, node } = await api.reaches('moved', 'running');
    const vm = vmNamed(fleet, node);
    await vm.newHostKey();
    await nodeIs(api, vm.name, 'lost');
    const { nodes } = await api.get<{ nodes: { name: string; reason?: string }[] }>('/api/nodes/');
    assert.match(nodes.find((each) => each.name === vm.name)?.reason ?? '', /host key/);
    await eventually(
      async () => (await api.instance('moved')).replicas.some((each) => each.state === 'healthy' && each.node !== node),
      LATER,
    );
    await serves(endpoint);
    // The operator believes the new one: its pin is taken out, and it is back without a restart.
    const file = join(home.directory, 'host-keys.json');
    const { [vm.name]: _old, ...others } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
    writeFileSync(file, JSON.stringify(others));
    await nodeIs(api, vm.name, 'ready', 60_000);
  });

  test('a VM whose disk is full gets nothing; when all are, it is said', async () => {
    const [, one, two] = fleet.vms;
    assert.ok(one && two);
    const full = async (name: string, is: boolean): Promise<void> => {
      await eventually(async () => {
        const { nodes } = await api.get<{ nodes: { name: string; diskPercent: number }[] }>('/api/nodes/');
        return (nodes.find((node) => node.name === name)?.diskPercent ?? 0) > 95 === is;
      }, LATER);
    };
    await one.fillDisk();
    try {
      await full('VM2', true);
      await api.deploy('web', { instanceName: 'roomy' });
      assert.equal((await api.reaches('roomy', 'running')).node, 'VM3');
      await two.fillDisk();
      await full('VM3', true);
      await api.deploy('web', { instanceName: 'crowded' });
      const { reason } = await api.reaches('crowded', 'failed', 60_000);
      assert.match(reason ?? '', /VM2 has a disk that is \d+ % full; VM3 has a disk that is \d+ % full/);
    } finally {
      await one.freeDisk();
      await two.freeDisk();
    }
    await full('VM2', false);
    await full('VM3', false);
    const later = await api.deploy('web', { instanceName: 'later' });
    await api.reaches(later, 'running');
  });

  test('a Docker that is slow: everything takes longer, and ends right', async () => {
    const ends = await Promise.all(fleet.vms.map((vm) => vm.stutter('dockerd')));
    try {
      const name = await api.deploy('web');
      const { endpoint } = await api.reaches(name, 'running', 90_000);
      await serves(endpoint);
      await api.stop(name);
      await api.reaches(name, 'stopped', 60_000);
    } finally {
      for (const end of ends) await end();
    }
  });

  test('an image that somebody removed by force is made again', async () => {
    await api.deploy('web', { instanceName: 'pruned' });
    const { node } = await api.reaches('pruned', 'running');
    for (const vm of fleet.vms) {
      await vm.exec(['sh', '-c', 'docker images --filter label=avishkar.image --quiet | xargs -r docker rmi --force']);
    }
    await api.post('/api/deployedApps/scale/', { instanceName: 'pruned', replicas: 3 });
    await eventually(
      async () => (await api.instance('pruned')).replicas.filter(({ state }) => state === 'healthy').length === 3,
      LATER,
    );
    assert.ok(node);
  });

  test('the balancer’s VM cut off: apps elsewhere go on, and are reached when it is back', async () => {
    await api.deploy('web', { instanceName: 'behind' });
    const { endpoint, replicas } = await api.reaches('behind', 'running');
    const vm = vmNamed(fleet, 'VM1');
    await vm.cut();
    await nodeIs(api, 'VM1', 'lost');
    await api.post('/api/deployedApps/scale/', { instanceName: 'behind', replicas: 2 });
    await vm.heal();
    await serves(endpoint, 60_000);
    await eventually(async () => {
      const now = (await api.instance('behind')).replicas;
      return (
        now.filter(({ state }) => state === 'healthy').length === 2 && now.some(({ id }) => id === replicas[0]?.id)
      );
    }, LATER);
  });

  test('an app that is stopped while the balancer’s VM is cut off ends at once, and is stopped when that is back', async () => {
    await api.deploy('web', { instanceName: 'unheard', scale: { min: 2, max: 2 } });
    await api.reaches('unheard', 'running');
    const there = async (): Promise<string[]> =>
      (await Promise.all(fleet.vms.map((vm) => replicasOn(vm, 'unheard')))).flat();
    await eventually(async () => (await there()).length === 2, LATER);
    const vm = vmNamed(fleet, 'VM1');
    await vm.cut();
    await nodeIs(api, 'VM1', 'lost');
    await api.stop('unheard');
    await eventually(async () => (await there()).length === 0, LATER);
    assert.equal((await api.instance('unheard')).state, 'stopping');
    await vm.heal();
    await api.reaches('unheard', 'stopped', 60_000);
  });

  test('an NGINX that cannot be changed at the moment does not keep the platform from starting; apps serve on', async () => {
    await api.deploy('web', { instanceName: 'served' });
    const { endpoint } = await api.reaches('served', 'running');
    const client = neverStopsAsking(endpoint ?? '');
    const vm = vmNamed(fleet, 'VM1');
    await platform?.stop();
    platform = null;
    // As a change does that hangs.
    await vm.exec(['touch', '/run/held']);
    const lock = '/etc/nginx/conf.d/.avishkar/lock';
    const held = vm.exec(['flock', lock, 'sh', '-c', 'touch /run/holds; while [ -e /run/held ]; do sleep 0.1; done']);
    try {
      await eventually(async () => (await vm.exec(['test', '-e', '/run/holds'])).exitCode === 0);
      await up();
      assert.equal((await api.instance('served')).state, 'running');
    } finally {
      await vm.exec(['rm', '-f', '/run/held', '/run/holds']);
      await held;
    }
    const later = await api.deploy('web', { instanceName: 'served-later' });
    await serves((await api.reaches(later, 'running', 60_000)).endpoint);
    await client.stop();
    assert.ok(client.asked() > 10);
    assert.deepEqual(client.failures, []);
  });

  test('every machine lost to sight: apps serve on, and nothing is moved', async () => {
    await api.deploy('web', { instanceName: 'unseen' });
    const { endpoint, replicas } = await api.reaches('unseen', 'running');
    // At once, as when it is the controller that is cut off: one after the other they would be lost one by one.
    await Promise.all(fleet.vms.map((vm) => vm.kill('sshd')));
    for (const vm of fleet.vms) await nodeIs(api, vm.name, 'lost');
    await serves(endpoint);
    for (const vm of fleet.vms) await vm.begin('sshd');
    for (const name of ['VM2', 'VM3']) await nodeIs(api, name, 'ready', 60_000);
    assert.deepEqual(
      (await api.instance('unseen')).replicas.map(({ id }) => id),
      replicas.map(({ id }) => id),
    );
    await serves(endpoint);
  });

  test('a failing build ends failed with machine, step and the last lines', async () => {
    const dockerfile = {
      'app.json': '{"name":"unbuildable","version":"1.0.0","runtime":"dockerfile"}',
      Dockerfile: 'FROM node:24-slim\nRUN echo before && sh -c "echo the reason >&2; exit 3"\n',
    };
    await api.provide(dockerfile);
    await api.deploy('unbuildable', { instanceName: 'unbuilt' });
    const { reason, lastLogLines } = await api.reaches('unbuilt', 'failed');
    assert.match(reason ?? '', /^building on VM\d: .* failed with exit code 3\.$/);
    assert.ok(lastLogLines?.includes('the reason'), lastLogLines?.join('\n'));
    await api.provide(appOf('fine', 'process.exit(3)'));
    await api.deploy('fine', { instanceName: 'ends' });
    assert.match((await api.reaches('ends', 'failed')).reason ?? '', /^starting on VM\d: the app exited with code 3/);
  });
});
