import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { webApp } from '../support/apps.ts';
import { replicasOn, serves } from './controller.ts';
import { type FaultLab, startFaultLab, victimOf, vmWhere } from './fault-lab.ts';
import { fleetOrSkip } from './fleet.ts';
import { running } from './ssh-lab.ts';
import type { FleetVm } from './vm.ts';

/** Where a VM is cut off, in the words of the journal: down before the step, on its way, and after it. */
const POINTS = [
  'rollout.populate.entered.after',
  'rollout.populate.finished.after',
  'rollout.tell.entered.after',
  'rollout.tell.finished.after',
  'rollout.end.ended.after',
];

describe('upgrades while a VM is cut off', fleetOrSkip(), () => {
  let lab: FaultLab;

  before(async () => {
    lab = await startFaultLab();
    const slow = { scripts: { preinstall: 'node -e "setTimeout(() => {}, 8000)"' } };
    await lab.api.provide({ ...webApp('web', { version: '3.0.0' }), 'package.json': JSON.stringify(slow) });
    const late = webApp('web', { version: '4.0.0' });
    await lab.api.provide({ ...late, 'main.js': `setTimeout(() => {${late['main.js']}}, 6000);` });
    await lab.api.provide(webApp('web', { version: '2.0.0' }));
    await lab.api.provide(webApp('web', { version: '1.0.0' }));
  });
  after(() => lab?.close());
  afterEach(() => lab.calm());

  const upgrade = (instanceName: string, version: string) => () =>
    lab.api.post('/api/deployedApps/upgrade/', { instanceName, version });

  /** Waits until both replicas of the app have the version, without a VM that is cut off, and with it again. */
  async function comesTo(name: string, version: string, vm: FleetVm): Promise<void> {
    const { endpoint, generation } = await lab.comesTo(name, { version, replicas: 2, without: vm });
    await serves(endpoint);
    await vm.heal();
    await lab.existsOnce(name, 2);
    const { replicas } = await lab.api.instance(name);
    assert.ok(replicas.every((replica) => replica.generation === generation));
    await serves(endpoint);
  }

  for (const point of POINTS) {
    test(`a VM that is cut off at ${point}: the upgrade goes on on the others`, async () => {
      const name = point.replaceAll('.', '-');
      const victim = victimOf(lab, await lab.deploy('web', name, 2, { version: '1.0.0' }));
      await lab.at(point, upgrade(name, '2.0.0'), () => victim.cut());
      await comesTo(name, '2.0.0', victim);
    });
  }

  test('a VM that is cut off while a new version is built on it: the upgrade goes on on the others', async () => {
    await lab.deploy('web', 'building', 2, { version: '1.0.0' });
    await upgrade('building', '3.0.0')();
    const vm = await vmWhere(lab.fleet, async (each) => (await running(each, 'setTimeout(() => {}, 8000)')).length > 0);
    await vm.cut();
    await comesTo('building', '3.0.0', vm);
  });

  test('a VM that is cut off while a new replica on it is coming up: the upgrade goes on on the others', async () => {
    const { replicas } = await lab.deploy('web', 'coming-up', 2, { version: '1.0.0' });
    const old = new Set(replicas.map((replica) => replica.name));
    await upgrade('coming-up', '4.0.0')();
    const vm = await vmWhere(lab.fleet, async (each) =>
      (await replicasOn(each, 'coming-up')).some((id) => !old.has(id)),
    );
    await vm.cut();
    await comesTo('coming-up', '4.0.0', vm);
  });

  test('a VM that is cut off while an app is restarted: it ends with new replicas on the others', async () => {
    const before = await lab.deploy('web', 'restarting', 2, { version: '1.0.0' });
    const old = new Set(before.replicas.map(({ id }) => id));
    const victim = victimOf(lab, before);
    const restart = () => lab.api.post('/api/deployedApps/restart/', { instanceName: 'restarting' });
    await lab.at('rollout.tell.finished.after', restart, () => victim.cut());
    await comesTo('restarting', '1.0.0', victim);
    assert.ok((await lab.api.instance('restarting')).replicas.every(({ id }) => !old.has(id)));
  });
});
