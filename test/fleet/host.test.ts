import { after, before, describe } from 'node:test';
import { hostContract } from '../contracts/host.contract.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';
import { createSshHarness } from './ssh-lab.ts';
import type { FleetVm } from './vm.ts';

describe('a machine over SSH', fleetOrSkip(), () => {
  let fleet: Fleet;
  let vm: FleetVm;

  before(async () => {
    fleet = await bringUpFleet(1);
    vm = fleet.vms[0] as FleetVm;
  });
  after(() => fleet?.down());

  hostContract('The host over SSH', { create: () => createSshHarness(vm) });
});
