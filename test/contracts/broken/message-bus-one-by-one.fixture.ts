import { messageBusContract } from '../message-bus.contract.ts';
import { sqliteBusLab } from './message-bus-lab.ts';

/** Publishes many messages as that many single ones, and its subscriptions stop without waiting. */
messageBusContract('one by one', {
  create: () =>
    sqliteBusLab((bus) => ({
      async publish(messages) {
        for (const message of messages) await bus.publish([message]);
      },
      async subscribe(options) {
        const subscription = await bus.subscribe(options);
        return {
          async stop() {
            void subscription.stop();
          },
        };
      },
    })),
});
