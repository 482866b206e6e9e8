import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { neverStopsAsking, nodeIs, placeOf, serves, vmNamed } from './controller.ts';
import { type FaultLab, startFaultLab, victimOf } from './fault-lab.ts';
import { fleetOrSkip } from './fleet.ts';
import type { FleetVm } from './vm.ts';

/** It is looked at every 15 s, has 10 s to answer, and is suspect for 4 s. */
const HANG_MS = 60_000;

describe('a Docker that stays down while its VM answers', fleetOrSkip(), () => {
  let lab: FaultLab;
  /** Has Docker run again on the VM that a test took it from. */
  let mend: () => Promise<void> = async () => undefined;

  before(async () => {
    lab = await startFaultLab();
    await lab.api.provide(webApp('web'));
    await lab.api.provide(webApp('small', { resources: { cpus: 0.1, memoryMb: 64 } }));
  });
  after(() => lab?.close());
  afterEach(async () => {
    await mend();
    mend = async () => undefined;
    await lab.calm();
  });

  async function killDocker(vm: FleetVm): Promise<void> {
    await vm.kill('dockerd');
    mend = () => vm.begin('dockerd');
  }

  async function mended(): Promise<void> {
    await mend();
    mend = async () => undefined;
  }

  async function machine(vm: FleetVm): Promise<{ diskPercent: number; reason?: string }> {
    const { nodes } = await lab.api.get<{ nodes: { name: string; diskPercent: number; reason?: string }[] }>(
      '/api/nodes/',
    );
    const found = nodes.find(({ name }) => name === vm.name);
    assert.ok(found);
    return found;
  }

  const reasonOf = async (vm: FleetVm): Promise<string> => (await machine(vm)).reason ?? '';

  test('Docker of a VM ends and stays down: its apps are served by another one, and exist once when it is back', async () => {
    const before = await lab.deploy('web', 'pair', 2);
    const victim = victimOf(lab, before);
    const client = neverStopsAsking(before.endpoint ?? '');
    await killDocker(victim);
    await nodeIs(lab.api, victim.name, 'lost');
    assert.match(await reasonOf(victim), new RegExp(`^Docker on ${victim.name} does not answer`));
    await lab.comesTo('pair', { replicas: 2, without: victim });
    const later = await lab.deploy('web', 'later', 1);
    assert.deepEqual(
      later.replicas.map(({ node }) => node === victim.name),
      [false],
    );
    await mended();
    await nodeIs(lab.api, victim.name, 'ready');
    assert.equal(await reasonOf(victim), '');
    await lab.existsOnce('pair', 2);
    await lab.existsOnce('later', 1);
    await client.stop();
    assert.ok(client.asked() > 100);
    assert.deepEqual(client.failures, []);
    // It takes apps again.
    await lab.api.post('/api/deployedApps/scale/', { instanceName: 'later', replicas: 2 });
    const { replicas } = await lab.comesTo('later', { replicas: 2 });
    assert.ok(replicas.some(({ node }) => node === victim.name));
  });

  test('Docker of a VM ends while an app is about to be built there: it is built on another one', async () => {
    const [victim, other] = ['VM2', 'VM3'].map((name) => vmNamed(lab.fleet, name));
    assert.ok(victim && other);
    // So little room on the other that it is chosen only because it failed on this one.
    const most = 'fallocate -l "$(($(df --output=avail -B1 / | tail -1) / 10 * 9))" /filler';
    assert.equal((await other.exec(['sh', '-c', most])).exitCode, 0);
    try {
      await eventually(async () => (await machine(other)).diskPercent > 80, { deadlineMs: 30_000 });
      await lab.at(
        'deploy.place.finished.after',
        () => lab.api.deploy('small', { instanceName: 'early' }),
        async () => {
          assert.equal(placeOf(lab.home, 'early'), victim.name);
          await killDocker(victim);
        },
      );
      const { endpoint, node } = await lab.api.reaches('early', 'running', 60_000);
      assert.equal(node, other.name);
      await serves(endpoint);
    } finally {
      await other.freeDisk();
    }
    await mended();
    await nodeIs(lab.api, victim.name, 'ready');
    await lab.existsOnce('early', 1);
  });

  test('Docker of a VM hangs: it counts as lost before long, and is back when Docker goes on', async () => {
    const before = await lab.deploy('web', 'stuck', 2);
    const victim = victimOf(lab, before);
    const client = neverStopsAsking(before.endpoint ?? '');
    const signal = (name: string) => victim.exec(['sh', '-c', `kill -${name} $(cat /run/docker.pid)`]);
    await signal('STOP');
    mend = async () => void (await signal('CONT'));
    await nodeIs(lab.api, victim.name, 'lost', HANG_MS);
    assert.match(await reasonOf(victim), new RegExp(`^Docker on ${victim.name} does not answer`));
    await lab.comesTo('stuck', { replicas: 2, without: victim });
    await mended();
    await nodeIs(lab.api, victim.name, 'ready');
    await lab.existsOnce('stuck', 2);
    await client.stop();
    assert.deepEqual(client.failures, []);
  });
});
