import { createInProcessServices } from '../../../src/adapters/service-runtime/in-process.ts';
import { serviceRuntimeContract } from '../service-runtime.contract.ts';
import { inProcessLab } from '../service-runtime.lab.ts';

// Takes what died for alive.
serviceRuntimeContract(() =>
  inProcessLab((make, random) => {
    const runtime = createInProcessServices(make, random);
    const seen = new Map<string, Awaited<ReturnType<typeof runtime.start>>>();
    return {
      ...runtime,
      async start(entry, node, options) {
        const known = seen.get(entry.service_name);
        if (known && (await runtime.inspect(entry.service_name))) return known;
        const container = await runtime.start(entry, node, options);
        seen.set(entry.service_name, container);
        return container;
      },
      inspect: async (name) => ((await runtime.inspect(name)) ? (seen.get(name) ?? null) : null),
    };
  }),
);
