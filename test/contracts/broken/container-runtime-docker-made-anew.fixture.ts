import { after, before, describe } from 'node:test';
import { createDockerHarness } from '../../fleet/docker-harness.ts';
import { bringUpFleet, type Fleet } from '../../fleet/fleet.ts';
import { createSshLab } from '../../fleet/ssh-lab.ts';
import type { FleetVm } from '../../fleet/vm.ts';
import { containerRuntimeContract } from '../container-runtime.contract.ts';

describe('on a fleet', () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await bringUpFleet(1);
  });
  after(() => fleet?.down());

  containerRuntimeContract('A Docker runtime that makes an ended container anew, and takes a stop for an end', {
    create: async () => {
      const harness = await createDockerHarness(fleet.vms[0] as FleetVm, createSshLab);
      const { runtime } = harness;
      const listeners = new Set<Parameters<typeof runtime.onExit>[0]>();
      return {
        ...harness,
        runtime: {
          ...runtime,
          onExit(listener) {
            const end = runtime.onExit(listener);
            listeners.add(listener);
            return () => {
              listeners.delete(listener);
              end();
            };
          },
          async start(spec, options) {
            if ((await runtime.inspect(spec.id))?.state === 'exited') await runtime.remove(spec.id);
            return runtime.start(spec, options);
          },
          async stop(id, graceSeconds) {
            await runtime.stop(id, graceSeconds);
            const info = await runtime.inspect(id);
            if (info) for (const listener of listeners) listener(info);
          },
        },
      };
    },
  });
});
