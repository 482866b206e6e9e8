import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sqliteBusLab } from '../../../test/contracts/broken/message-bus-lab.ts';
import { expectContractToFail } from '../../../test/contracts/broken.ts';
import { messageBusContract } from '../../../test/contracts/message-bus.contract.ts';
import { startChild } from '../../../test/support/child.ts';
import { eventually } from '../../../test/support/eventually.ts';
import type { Delivery } from '../../ports/message-bus.ts';

messageBusContract('SQLite', { create: () => sqliteBusLab() });

const fixture = (name: string): URL =>
  new URL(`../../../test/contracts/broken/message-bus-${name}.fixture.ts`, import.meta.url);

test('the contract notices a bus that knows no keys', () =>
  expectContractToFail(fixture('no-order'), [
    'goes on with other keys while one fails',
    'keeps the order of a key, and around a message that fails',
    'keeps the order of many keys',
  ]));

test('the contract notices a bus that acknowledges failures', () =>
  expectContractToFail(fixture('at-most-once'), [
    'counts the deliveries of a message also across a restart',
    'delivers a message again when its handler failed',
    'delivers again what was not acknowledged when it was closed',
    'goes on with other keys while one fails',
    'keeps the order of a key, and around a message that fails',
    'keeps the order of many keys',
    'sets a message that fails too often aside, and its key goes on',
  ]));

test('the contract notices a bus that publishes one by one and stops without waiting', () =>
  expectContractToFail(fixture('one-by-one'), [
    'publishes all of many messages or none',
    'waits for the running handler when it stops, and delivers no more',
  ]));

test('a process that was killed while a handler ran loses nothing', async (t) => {
  const lab = await sqliteBusLab();
  t.after(lab.cleanup);
  await lab.bus.publish([{ topic: 'orders', key: 'a', value: 'from here' }]);
  await lab.bus.close();
  const child = await startChild(
    `
    import { createSqliteBus } from '${new URL('./sqlite.ts', import.meta.url)}';
    import { systemClock } from '${new URL('../clock/system.ts', import.meta.url)}';
    const bus = createSqliteBus({ path: ${JSON.stringify(lab.path)}, clock: systemClock });
    await bus.publish([{ topic: 'orders', key: 'b', value: 'from the child' }]);
    setInterval(() => undefined, 1000);
    await bus.subscribe({
      topics: ['orders'],
      group: 'g',
      handler: async ({ value }) => {
        if (value === 'from here') return;
        console.log('handling');
        await new Promise(() => undefined);
      },
    });
  `,
    'handling',
  );
  await child.kill();
  const bus = await lab.reopen();
  const seen: Delivery[] = [];
  const subscription = await bus.subscribe({
    topics: ['orders'],
    group: 'g',
    async handler(delivery) {
      seen.push(delivery);
    },
  });
  await eventually(() => seen.some(({ value }) => value === 'from the child'));
  assert.ok(seen.length <= 2);
  await subscription.stop();
});
