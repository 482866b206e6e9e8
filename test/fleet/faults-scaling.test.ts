import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { nodeIs, replicasOn, serves } from './controller.ts';
import { type FaultLab, startFaultLab, victimOf, vmWhere } from './fault-lab.ts';
import { fleetOrSkip } from './fleet.ts';

const LATER = { deadlineMs: 60_000 };

const SCALE_POINTS = ['scale.tell.entered.after', 'scale.tell.finished.after', 'scale.end.ended.after'];
const STOP_POINTS = ['stop.deregister.entered.after', 'stop.deregister.finished.after', 'stop.end.ended.after'];

describe('scaling, stopping and draining while a VM is cut off', fleetOrSkip(), () => {
  let lab: FaultLab;

  before(async () => {
    lab = await startFaultLab();
    await lab.api.provide(webApp('web'));
    const late = webApp('late');
    await lab.api.provide({ ...late, 'main.js': `setTimeout(() => {${late['main.js']}}, 4000);` });
  });
  after(() => lab?.close());
  afterEach(() => lab.calm());

  const scale = (instanceName: string, replicas: number) => () =>
    lab.api.post('/api/deployedApps/scale/', { instanceName, replicas });

  for (const point of SCALE_POINTS) {
    for (const [from, to] of [
      [2, 3],
      [3, 2],
    ] as const) {
      test(`a VM that is cut off at ${point}: ${from} replicas become ${to} on the others`, async () => {
        const name = `from-${from}-${point.replaceAll('.', '-')}`;
        const before = await lab.deploy('web', name, from);
        const victim = victimOf(lab, before);
        await lab.at(point, scale(name, to), () => victim.cut());
        await lab.comesTo(name, { replicas: to, without: victim });
        await serves(before.endpoint);
        await victim.heal();
        await lab.existsOnce(name, to);
        await serves(before.endpoint);
      });
    }
  }

  test('a VM that is cut off while an added replica on it is coming up: it comes up on another one', async () => {
    const { endpoint, replicas } = await lab.deploy('late', 'added', 1);
    const first = replicas[0];
    await scale('added', 2)();
    const vm = await vmWhere(lab.fleet, async (each) =>
      (await replicasOn(each, 'added')).some((name) => name !== first?.name),
    );
    await vm.cut();
    await lab.comesTo('added', { replicas: 2, without: vm });
    await vm.heal();
    await lab.existsOnce('added', 2);
    await serves(endpoint);
  });

  for (const point of STOP_POINTS) {
    test(`a VM that is cut off at ${point}: the app is stopped; what is left on the VM goes when it is back`, async () => {
      const name = point.replaceAll('.', '-');
      const victim = victimOf(lab, await lab.deploy('web', name, 2));
      await lab.at(
        point,
        () => lab.api.stop(name),
        () => victim.cut(),
      );
      await lab.api.reaches(name, 'stopped', LATER.deadlineMs);
      await victim.heal();
      await lab.existsOnce(name, 0);
    });
  }

  test('a VM that is cut off while it is drained: its replicas come up elsewhere, and it is empty when it is back', async () => {
    const before = await lab.deploy('late', 'drained', 2);
    const victim = victimOf(lab, before);
    await lab.api.request('POST', `/api/nodes/${victim.name}/drain/`);
    try {
      // The successor is on its way, and what is to be replaced is there.
      await eventually(async () => (await lab.api.instance('drained')).replicas.length === 3, LATER);
      await victim.cut();
      await lab.comesTo('drained', { replicas: 2, without: victim });
      await serves(before.endpoint);
      await victim.heal();
      await nodeIs(lab.api, victim.name, 'drained', LATER.deadlineMs);
      await lab.existsOnce('drained', 2);
      assert.deepEqual(await replicasOn(victim, 'drained'), []);
    } finally {
      await lab.api.request('POST', `/api/nodes/${victim.name}/resume/`);
    }
  });
});
