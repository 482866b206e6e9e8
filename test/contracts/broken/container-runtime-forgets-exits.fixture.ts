import { createProcessHarness } from '../../../src/adapters/container-runtime/process/test-support.ts';
import { containerRuntimeContract } from '../container-runtime.contract.ts';

containerRuntimeContract('A runtime that forgets exits', {
  create: async () => {
    const harness = await createProcessHarness();
    return { ...harness, runtime: { ...harness.runtime, onExit: () => () => undefined } };
  },
});
