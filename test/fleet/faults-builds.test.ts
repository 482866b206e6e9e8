import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { nodeIs, serves, vmNamed } from './controller.ts';
import { type FaultLab, startFaultLab, victimOf, vmWhere } from './fault-lab.ts';
import { fleetOrSkip } from './fleet.ts';
import { running } from './ssh-lab.ts';
import type { FleetVm } from './vm.ts';

const LATER = { deadlineMs: 60_000 };
const BUILD_SECONDS = 20;
const SLOW = 'setTimeout(() => {}, 8000)';

describe('faults while an image is made or moved', fleetOrSkip(), () => {
  let lab: FaultLab;

  before(async () => {
    lab = await startFaultLab({ buildSeconds: BUILD_SECONDS });
    await lab.api.provide(webApp('web'));
    for (const name of ['unpowered', 'unplugged']) await lab.api.provide(installing(name, SLOW));
    await lab.api.provide(installing('hanging', 'setInterval(() => {}, 1000)'));
  });
  after(() => lab?.close());
  afterEach(() => lab.calm());

  /** An app whose install says something, then takes as long as the program does. */
  function installing(name: string, program: string): Record<string, string> {
    const preinstall = `echo the install has begun && node -e "${program}"`;
    return { ...webApp(name), 'package.json': JSON.stringify({ scripts: { preinstall } }) };
  }

  /** Waits until nothing of builds is on the VM but whole images, and returns their names. */
  async function imagesOn(vm: FleetVm): Promise<string> {
    const list = async (...args: string[]): Promise<string> => (await vm.exec(['docker', ...args])).stdout.trim();
    await eventually(async () => {
      assert.equal(await list('ps', '--all', '--quiet', '--filter', 'label=avishkar.build'), '');
      assert.equal(await list('images', '--quiet', '--filter', 'dangling=true'), '');
      return true;
    }, LATER);
    return list('images', '--filter', 'label=avishkar.image', '--format', '{{.Repository}}');
  }

  test('a VM that loses its power while an app is built on it: the app runs elsewhere, and nothing half-made stays', async () => {
    await lab.api.deploy('unpowered', { instanceName: 'unpowered' });
    const vm = await vmWhere(lab.fleet, async (each) => (await running(each, SLOW)).length > 0);
    await vm.powerOff();
    const { endpoint, node } = await lab.api.reaches('unpowered', 'running', LATER.deadlineMs);
    assert.notEqual(node, vm.name);
    await vm.powerOn();
    await nodeIs(lab.api, vm.name, 'ready', LATER.deadlineMs);
    assert.doesNotMatch(await imagesOn(vm), /unpowered/);
    await lab.existsOnce('unpowered', 1);
    await lab.api.post('/api/deployedApps/scale/', { instanceName: 'unpowered', replicas: 2 });
    const { replicas } = await lab.comesTo('unpowered', { replicas: 2 });
    assert.ok(replicas.some((replica) => replica.node === vm.name));
    await serves(endpoint);
  });

  for (const [whose, fault] of [
    ['source', 'from'],
    ['target', 'to'],
  ] as const) {
    test(`a VM that loses its power while an image is moved ${fault} it: the replica comes up elsewhere, and nothing half-made stays`, async () => {
      const name = `moved-${fault}`;
      await lab.api.provide(webApp(name));
      const source = victimOf(lab, await lab.deploy(name, name, 1));
      const target = vmNamed(lab.fleet, source.name === 'VM2' ? 'VM3' : 'VM2');
      const victim = whose === 'source' ? source : target;
      // The one that stays is slow, so that the move takes its time.
      const end = await (whose === 'source' ? target : source).stutter('dockerd');
      try {
        await lab.api.post('/api/deployedApps/scale/', { instanceName: name, replicas: 2 });
        await eventually(() => receives(target), LATER);
        await victim.powerOff();
      } finally {
        await end();
      }
      const { endpoint } = await lab.comesTo(name, { replicas: 2, without: victim });
      await serves(endpoint);
      await victim.powerOn();
      await nodeIs(lab.api, victim.name, 'ready', LATER.deadlineMs);
      if (whose === 'target') assert.doesNotMatch(await imagesOn(victim), new RegExp(name));
      await lab.existsOnce(name, 2);
      await lab.api.post('/api/deployedApps/scale/', { instanceName: name, replicas: 3 });
      const { replicas } = await lab.comesTo(name, { replicas: 3 });
      assert.ok(replicas.some(({ node }) => node === victim.name));
      await serves(endpoint);
    });
  }

  /** Whether Docker there is taking an image in. */
  function receives(vm: FleetVm): boolean {
    const folder = vm.path('/var/lib/docker/tmp');
    return existsSync(folder) && readdirSync(folder).some((name) => name.startsWith('docker-import-'));
  }

  test('a VM that is cut off while its build is followed: the follower hears the end, and the app runs elsewhere', async () => {
    await lab.api.deploy('unplugged', { instanceName: 'unplugged' });
    const vm = await vmWhere(lab.fleet, async (each) => (await running(each, SLOW)).length > 0);
    const followed = lab.api.request('GET', '/api/deployedApps/unplugged/logs?follow=true&build=true');
    const text = (await followed).text();
    await vm.cut();
    assert.match(await text, /the install has begun/);
    const { endpoint, node } = await lab.api.reaches('unplugged', 'running', LATER.deadlineMs);
    assert.notEqual(node, vm.name);
    await serves(endpoint);
    await vm.heal();
    await nodeIs(lab.api, vm.name, 'ready', LATER.deadlineMs);
    // Docker there may have gone on by itself, and made a whole image.
    await imagesOn(vm);
    assert.deepEqual(await running(vm, SLOW), []);
    await lab.existsOnce('unplugged', 1);
  });

  test('a build that hangs on a machine fails at its deadline with machine, step and last lines', async () => {
    await lab.api.deploy('hanging', { instanceName: 'hanging' });
    const { reason, lastLogLines } = await lab.api.reaches('hanging', 'failed', LATER.deadlineMs);
    assert.match(reason ?? '', new RegExp(`^building on VM\\d: .*longer than ${BUILD_SECONDS} s`));
    assert.match(lastLogLines?.join('\n') ?? '', /the install has begun/);
    const { events } = await lab.api.get<{ events: { text: string }[] }>('/api/deployedApps/hanging/events');
    const machine = events.map(({ text }) => /^building on (VM\d)$/.exec(text)?.[1]).find((name) => name !== undefined);
    assert.ok(machine, JSON.stringify(events));
    const vm = vmNamed(lab.fleet, machine);
    assert.deepEqual(await running(vm, 'setInterval(() => {}, 1000)'), []);
    assert.doesNotMatch(await imagesOn(vm), /hanging/);
  });
});
