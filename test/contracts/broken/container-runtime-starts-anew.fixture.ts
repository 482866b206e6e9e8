import { createProcessHarness } from '../../../src/adapters/container-runtime/process/test-support.ts';
import { containerRuntimeContract } from '../container-runtime.contract.ts';

containerRuntimeContract('A runtime that starts what runs already', {
  create: async () => {
    const harness = await createProcessHarness();
    const { runtime } = harness;
    return {
      ...harness,
      runtime: {
        ...runtime,
        start: async (spec, options) => {
          options.signal.throwIfAborted();
          await runtime.remove(spec.id);
          return runtime.start(spec, options);
        },
      },
    };
  },
});
