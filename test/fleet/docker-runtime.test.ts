import { after, before, describe } from 'node:test';
import { containerRuntimeContract } from '../contracts/container-runtime.contract.ts';
import { createDockerHarness } from './docker-harness.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';
import { createSshLab } from './ssh-lab.ts';
import type { FleetVm } from './vm.ts';

describe('the Docker runtime on a fleet', fleetOrSkip(), () => {
  let fleet: Fleet;

  before(async () => {
    fleet = await bringUpFleet(1);
  });
  after(() => fleet?.down());

  containerRuntimeContract('The Docker runtime', {
    create: () => createDockerHarness(fleet.vms[0] as FleetVm, createSshLab),
  });
});
