import { serviceTransportContract } from '../service-transport.contract.ts';
import { inProcessLab } from './service-transport-lab.ts';

// Its tests wait in vain.
process.env.AVISHKAR_TEST_DEADLINE_MS = '600';

/** Takes no notice of a caller who wants an end of lines, and tells them only when there are two. */
serviceTransportContract('deaf', {
  create: () =>
    inProcessLab((transport) => ({
      async *lines(service, request) {
        let held: string | null = null;
        const signal = AbortSignal.timeout(1200);
        for await (const line of transport.lines(service, request, { signal })) {
          if (held !== null) yield held;
          held = line;
        }
        if (held !== null) yield held;
      },
    })),
});
