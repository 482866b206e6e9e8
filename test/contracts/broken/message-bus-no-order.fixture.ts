import { messageBusContract } from '../message-bus.contract.ts';
import { sqliteBusLab } from './message-bus-lab.ts';

/** Forgets what a message's key is as soon as it is published. */
let count = 0;
messageBusContract('no order', {
  create: () =>
    sqliteBusLab((bus) => ({
      publish: (messages) => bus.publish(messages.map((message) => ({ ...message, key: `${message.key}-${count++}` }))),
      subscribe: (options) =>
        bus.subscribe({
          ...options,
          handler: (delivery) => options.handler({ ...delivery, key: delivery.key.replace(/-\d+$/, '') }),
        }),
    })),
});
