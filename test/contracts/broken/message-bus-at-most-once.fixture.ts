import { messageBusContract } from '../message-bus.contract.ts';
import { sqliteBusLab } from './message-bus-lab.ts';

// Most of its tests wait in vain.
process.env.AVISHKAR_TEST_DEADLINE_MS = '800';

/** Acknowledges whatever the handler says. */
messageBusContract('at most once', {
  create: () =>
    sqliteBusLab((bus) => ({
      subscribe: (options) =>
        bus.subscribe({
          ...options,
          handler: (delivery) => options.handler(delivery).catch(() => undefined),
        }),
    })),
});
