import { after, before, describe, test } from 'node:test';
import { expectContractToFail } from '../contracts/broken.ts';
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

test(
  'the ContainerRuntime contract notices a Docker runtime that makes anew what ended',
  {
    ...fleetOrSkip(),
    timeout: 400_000,
  },
  () =>
    expectContractToFail(
      new URL('../contracts/broken/container-runtime-docker-made-anew.fixture.ts', import.meta.url),
      [
        'starts a container of the same id again after it ended, with its logs',
        'does not tell of a container that was stopped, nor to those who stopped listening',
      ],
      { deadlineMs: 300_000 },
    ),
);
