import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Api, type Instance, signIn } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, startPlatform, type TestPlatform } from '../support/platform.ts';
import { fleetHome, KILLABLE, makePipe, nodeIs, replicasOn, takePipeAway, vmNamed } from './controller.ts';
import { bringUpFleet, type Fleet } from './fleet.ts';
import type { FleetVm } from './vm.ts';

const LATER = { deadlineMs: 90_000, everyMs: 50 };

/** A platform that holds its breath at points of its journal, on a fleet that things happen to meanwhile. */
export interface FaultLab {
  fleet: Fleet;
  home: Home;
  platform: TestPlatform;
  api: Api;
  /** Begins what leads to the point, and does `meanwhile` while the platform holds its breath there. */
  at(point: string, begin: () => Promise<unknown>, meanwhile: () => Promise<unknown>): Promise<void>;
  /** Deploys so many replicas, on more than one VM, and waits for all of them. */
  deploy(app: string, name: string, replicas: number, more?: Record<string, unknown>): Promise<Instance>;
  /** Waits until the instance is as wanted and has so many healthy replicas, none of them on the VM. */
  comesTo(name: string, wanted: { replicas: number; version?: string; without?: FleetVm }): Promise<Instance>;
  /** Waits until the instance has so many containers, wherever; the platform knows them all. */
  existsOnce(name: string, replicas: number): Promise<void>;
  /** All VMs back, all instances stopped. */
  calm(): Promise<void>;
  close(): Promise<void>;
}

/** @param settings of avishkar.yml, besides the machines */
export async function startFaultLab(settings: object = {}): Promise<FaultLab> {
  const fleet = await bringUpFleet(3);
  try {
    return await labOn(fleet, settings);
  } catch (error) {
    await fleet.down();
    throw error;
  }
}

async function labOn(fleet: Fleet, settings: object): Promise<FaultLab> {
  const { home, flags } = fleetHome(fleet, settings);
  const pauses = join(home.directory, 'pauses');
  mkdirSync(pauses);
  const platform = await startPlatform({ home, flags, entry: KILLABLE, env: { PAUSES: pauses } });
  const api = await signIn(platform.url);
  for (const { name } of fleet.vms) await nodeIs(api, name, 'ready');
  // NGINX's machine is not to be cut: apps go to the others.
  await api.request('POST', '/api/nodes/VM1/drain/');
  await nodeIs(api, 'VM1', 'drained');
  const others = fleet.vms.filter(({ name }) => name !== 'VM1');

  const lab: FaultLab = {
    fleet,
    home,
    platform,
    api,
    async at(point, begin, meanwhile) {
      const said = platform.output().length;
      const goOn = await makePipe(join(pauses, point));
      const begun = begin();
      begun.catch(() => undefined);
      try {
        await eventually(() => platform.output().slice(said).includes(`paused at ${point}\n`), LATER);
      } catch (error) {
        takePipeAway(join(pauses, point));
        throw error;
      }
      try {
        await meanwhile();
      } finally {
        goOn();
      }
      await begun;
    },
    async deploy(app, name, replicas, options = {}) {
      await api.deploy(app, { instanceName: name, scale: { min: replicas, max: replicas }, ...options });
      await api.reaches(name, 'running');
      let instance = await lab.comesTo(name, { replicas });
      // Placed again where a VM was too busy with other tests for a moment to be one to place on.
      for (let tries = 0; replicas > 1 && new Set(instance.replicas.map(({ node }) => node)).size === 1; tries += 1) {
        assert.ok(tries < 5, `both replicas of ${name} go to ${instance.replicas[0]?.node} each time`);
        await api.post('/api/deployedApps/scale/', { instanceName: name, replicas: 1 });
        await lab.comesTo(name, { replicas: 1 });
        await api.post('/api/deployedApps/scale/', { instanceName: name, replicas });
        instance = await lab.comesTo(name, { replicas });
      }
      return instance;
    },
    async comesTo(name, { replicas, version, without }) {
      return eventually(async () => {
        const instance = await api.instance(name);
        const healthy = instance.replicas.filter(({ state }) => state === 'healthy');
        const settled =
          instance.state === 'running' &&
          instance.rollout === undefined &&
          (version === undefined || instance.version === version) &&
          healthy.length === replicas &&
          healthy.every(({ node }) => node !== without?.name);
        return settled ? instance : null;
      }, LATER);
    },
    async existsOnce(name, replicas) {
      await eventually(async () => {
        const known = replicas === 0 ? [] : (await api.instance(name)).replicas;
        assert.equal(known.length, replicas, `${name} has ${known.map(({ node, state }) => `${node} ${state}`)}`);
        const there = (await Promise.all(fleet.vms.map((vm) => replicasOn(vm, name)))).flat();
        assert.deepEqual(there.sort(), known.map((replica) => replica.name).sort());
        return true;
      }, LATER);
    },
    async calm() {
      for (const vm of fleet.vms) await vm.heal();
      for (const { instanceName } of await api.instances()) await api.stop(instanceName);
      await eventually(
        async () => (await api.instances()).every(({ state }) => ['stopped', 'failed', 'cancelled'].includes(state)),
        LATER,
      );
      for (const { name } of others) await nodeIs(api, name, 'ready', LATER.deadlineMs);
    },
    async close() {
      assert.equal(await platform.stop(), 0, platform.output());
      await fleet.down();
      home.remove();
    },
  };
  return lab;
}

/** A VM with a replica of the instance. */
export function victimOf(lab: FaultLab, instance: Instance): FleetVm {
  return vmNamed(lab.fleet, instance.replicas[0]?.node);
}

/** The first VM of which it is so. */
export async function vmWhere(fleet: Fleet, is: (vm: FleetVm) => Promise<boolean>): Promise<FleetVm> {
  return eventually(async () => {
    for (const vm of fleet.vms) if (await is(vm)) return vm;
    return null;
  }, LATER);
}
