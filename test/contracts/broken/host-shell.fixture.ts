import { createLocalHarness } from '../../../src/adapters/host/test-support.ts';
import type { Host } from '../../../src/ports/host.ts';
import { hostContract } from '../host.contract.ts';

hostContract('A host that gives commands to a shell as one string', {
  create: async () => {
    const harness = await createLocalHarness();
    const { host } = harness;
    const run: Host['run'] = (argv, options) =>
      host.run(['sh', '-c', argv.map((each) => `'${each}'`).join(' ')], options);
    return { ...harness, host: { ...host, run } };
  },
});
