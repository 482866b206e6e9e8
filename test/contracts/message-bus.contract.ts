import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { Delivery, MessageBus, SubscribeOptions } from '../../src/ports/message-bus.ts';
import { eventually } from '../support/eventually.ts';

export interface MessageBusLab {
  bus: MessageBus;
  /** Closes the bus in order and opens what it kept. `bus` is the new one then. */
  reopen(): Promise<MessageBus>;
  cleanup(): Promise<void>;
}

/** A handler that notes what it got, and fails where `fails` says so. */
function recorder(fails: (delivery: Delivery) => boolean = () => false) {
  const all: Delivery[] = [];
  return {
    all,
    /** Values that were acknowledged, in order. */
    values: [] as string[],
    async handler(delivery: Delivery): Promise<void> {
      all.push(delivery);
      if (fails(delivery)) throw new Error(`the test refuses ${delivery.value}`);
      this.values.push(delivery.value);
    },
  };
}

/** What every MessageBus does. `skip`: names of tests with the reason why this adapter cannot pass them. */
export function messageBusContract(
  name: string,
  options: { create: () => Promise<MessageBusLab>; skip?: Record<string, string> },
): void {
  // Engines that deliver over a network are given time; nothing waits for so long unless it fails.
  const generous = { deadlineMs: Number(process.env.AVISHKAR_TEST_DEADLINE_MS ?? 30_000) };
  describe(`MessageBus: ${name}`, () => {
    let lab: MessageBusLab;
    before(async () => {
      lab = await options.create();
    });
    after(() => lab.cleanup());

    /** Topic and group are the test's own; `publish` takes `key value` texts. */
    interface Scene {
      topic: string;
      publish(...texts: string[]): Promise<void>;
      subscribe(
        seen: { handler: SubscribeOptions['handler'] },
        more?: Partial<SubscribeOptions>,
      ): Promise<{ stop(): Promise<void> }>;
    }

    const check = (title: string, fn: (scene: Scene) => Promise<void>): void => {
      test(title, { skip: options.skip?.[title] ?? false }, async () => {
        const topic = `t-${randomUUID()}`;
        const stops: (() => Promise<void>)[] = [];
        const scene: Scene = {
          topic,
          publish: (...texts) => lab.bus.publish(texts.map((text) => message(topic, text))),
          async subscribe(seen, more = {}) {
            const subscription = await lab.bus.subscribe({
              topics: [topic],
              group: `${topic}-group`,
              backoffMs: 20,
              handler: (delivery) => seen.handler(delivery),
              ...more,
            });
            stops.push(() => subscription.stop());
            return subscription;
          },
        };
        try {
          await fn(scene);
        } finally {
          for (const stop of stops) await stop();
        }
      });
    };

    check('delivers what was published, with all that belongs to it', async ({ topic, publish, subscribe }) => {
      const seen = recorder();
      await subscribe(seen);
      const began = Date.now();
      await publish('k übung ✓ "$\n');
      await eventually(() => seen.values.length === 1, generous);
      const [delivery] = seen.all;
      assert.ok(delivery);
      const { offset, publishedAt, ...rest } = delivery;
      assert.deepEqual(rest, { topic, key: 'k', value: 'k übung ✓ "$\n', attempt: 1 });
      assert.equal(typeof offset, 'string');
      assert.ok(Math.abs(publishedAt - began) < 3_600_000, 'milliseconds since 1970');
    });

    check('keeps what was published when it is closed and opened again', async ({ publish, subscribe }) => {
      await publish('a 1', 'a 2');
      await lab.reopen();
      const seen = recorder();
      await subscribe(seen);
      await eventually(() => seen.values.length === 2, generous);
      assert.deepEqual(seen.values, ['a 1', 'a 2']);
    });

    check('does not deliver again what was acknowledged', async ({ publish, subscribe }) => {
      const first = recorder();
      const subscription = await subscribe(first);
      await publish('a 1', 'b 2');
      await eventually(() => first.values.length === 2, generous);
      await subscription.stop();
      await lab.reopen();
      const second = recorder();
      await subscribe(second);
      await publish('a 3');
      await eventually(() => second.values.includes('a 3'), generous);
      assert.deepEqual(second.values, ['a 3']);
    });

    check('delivers a message again when its handler failed', async ({ publish, subscribe }) => {
      const seen = recorder(({ attempt }) => attempt < 3);
      await subscribe(seen);
      await publish('a 1');
      await eventually(() => seen.values.length === 1, generous);
      assert.deepEqual(
        seen.all.map(({ attempt }) => attempt),
        [1, 2, 3],
      );
    });

    check('delivers again what was not acknowledged when it was closed', async ({ publish, subscribe }) => {
      const { promise: closing, reject: fail } = Promise.withResolvers<void>();
      let entered = false;
      await subscribe({
        handler() {
          entered = true;
          return closing;
        },
      });
      await publish('a 1');
      await eventually(() => entered, generous);
      const reopened = lab.reopen();
      fail(new Error('the process ends'));
      await reopened;
      const seen = recorder();
      await subscribe(seen);
      await eventually(() => seen.values.length === 1, generous);
    });

    check('counts the deliveries of a message also across a restart', async ({ publish, subscribe }) => {
      const failing = recorder(() => true);
      const subscription = await subscribe(failing);
      await publish('a 1');
      await eventually(() => failing.all.length >= 2, generous);
      await subscription.stop();
      const before = failing.all.length;
      await lab.reopen();
      const seen = recorder();
      await subscribe(seen);
      await eventually(() => seen.values.length === 1, generous);
      assert.equal(seen.all[0]?.attempt, before + 1);
    });

    check('keeps the order of a key, and around a message that fails', async ({ publish, subscribe }) => {
      const seen = recorder(({ value, attempt }) => value === 'a 2' && attempt < 3);
      await subscribe(seen);
      await publish('a 1', 'a 2', 'a 3');
      await publish('a 4');
      await eventually(() => seen.all.some(({ value }) => value === 'a 2'), generous);
      await publish('a 5');
      await eventually(() => seen.values.length === 5, generous);
      assert.deepEqual(seen.values, ['a 1', 'a 2', 'a 3', 'a 4', 'a 5']);
      const offsets = ['a 1', 'a 3', 'a 4', 'a 5'].map(
        (value) => seen.all.find((entry) => entry.value === value)?.offset,
      );
      assert.equal(new Set(offsets).size, 4);
    });

    check('keeps the order of many keys', async ({ publish, subscribe }) => {
      const keys = ['a', 'b', 'c', 'd'];
      const seen = recorder(({ value, attempt }) => attempt === 1 && value.endsWith('7'));
      await subscribe(seen);
      for (let round = 0; round < 25; round += 1) await publish(...keys.map((key) => `${key} ${round}`));
      await eventually(() => seen.values.length === 100, generous);
      for (const key of keys) {
        const own = seen.values.filter((value) => value.startsWith(key));
        assert.deepEqual(
          own,
          Array.from({ length: 25 }, (_, round) => `${key} ${round}`),
        );
      }
    });

    check('goes on with other keys while one fails', async ({ publish, subscribe }) => {
      let mended = false;
      const seen = recorder(({ key }) => key === 'ill' && !mended);
      await subscribe(seen, { maxAttempts: 1000, backoffMs: 5 });
      await publish('ill 1', 'well 1', 'ill 2');
      await eventually(() => seen.values.includes('well 1'), generous);
      await publish('well 2', 'other 1');
      await eventually(() => seen.values.length === 3, generous);
      assert.ok(!seen.values.some((value) => value.startsWith('ill')));
      assert.ok(!seen.all.some(({ value }) => value === 'ill 2'), 'waits for the one before it');
      mended = true;
      await eventually(() => seen.values.length === 5, generous);
      assert.deepEqual(
        seen.values.filter((value) => value.startsWith('ill')),
        ['ill 1', 'ill 2'],
      );
    });

    check('gives every group everything', async ({ topic, publish, subscribe }) => {
      const groups = [recorder(), recorder(), recorder(() => true)];
      await Promise.all(groups.map((seen, index) => subscribe(seen, { group: `${topic}-${index}` })));
      await publish('a 1', 'b 2');
      await eventually(() => groups.slice(0, 2).every((seen) => seen.values.length === 2), generous);
      await eventually(() => new Set(groups[2]?.all.map(({ value }) => value)).size === 2, generous);
    });

    check('shares messages among the members of a group', async ({ publish, subscribe }) => {
      const one = recorder();
      const other = recorder();
      await subscribe(one);
      await subscribe(other);
      const texts = Array.from({ length: 60 }, (_, number) => `key${number} ${number}`);
      await publish(...texts);
      await eventually(() => one.values.length + other.values.length >= texts.length, generous);
      assert.deepEqual([...one.values, ...other.values].sort(), [...texts].sort(), 'each of them once');
    });

    check('goes on with the members that are left', async ({ publish, subscribe }) => {
      const gone = recorder();
      const stays = recorder();
      const leaving = await subscribe(gone);
      await subscribe(stays);
      await publish('a 1');
      await eventually(() => gone.values.length + stays.values.length === 1, generous);
      await leaving.stop();
      const before = gone.all.length;
      await publish('a 2', 'b 3', 'c 4');
      await eventually(() => stays.values.length >= 3 + (before === 1 ? 0 : 1), generous);
      assert.equal(gone.all.length, before);
    });

    check('starts a new group at the oldest message', async ({ topic, publish, subscribe }) => {
      const first = recorder();
      await subscribe(first, { group: `${topic}-first` });
      await publish('a 1', 'a 2', 'a 3');
      await eventually(() => first.values.length === 3, generous);
      const late = recorder();
      await subscribe(late, { group: `${topic}-late` });
      await eventually(() => late.values.length === 3, generous);
      assert.deepEqual(late.values, ['a 1', 'a 2', 'a 3']);
    });

    check('sets a message that fails too often aside, and its key goes on', async ({ topic, publish, subscribe }) => {
      const dead = recorder();
      await subscribe(dead, { topics: [`${topic}.dead`], group: `${topic}-dead` });
      const seen = recorder(({ value }) => value === 'a poison');
      await subscribe(seen, { maxAttempts: 3, backoffMs: 5 });
      await publish('a 1', 'a poison', 'a 2');
      await eventually(() => seen.values.length === 2, generous);
      await eventually(() => dead.values.length === 1, generous);
      assert.deepEqual(seen.values, ['a 1', 'a 2']);
      assert.deepEqual(
        seen.all.filter(({ value }) => value === 'a poison').map(({ attempt }) => attempt),
        [1, 2, 3],
      );
      const [letter] = dead.all;
      assert.deepEqual(
        { topic: letter?.topic, key: letter?.key, value: letter?.value },
        { topic: `${topic}.dead`, key: 'a', value: 'a poison' },
      );
    });

    check('publishes all of many messages or none', async ({ topic, publish, subscribe }) => {
      const seen = recorder();
      await subscribe(seen);
      const broken = { topic, key: 'a', value: undefined as unknown as string };
      await assert.rejects(lab.bus.publish([message(topic, 'a 1'), message(topic, 'b 2'), broken]));
      await publish('a last');
      await eventually(() => seen.values.includes('a last'), generous);
      assert.deepEqual(seen.values, ['a last']);
    });

    check(
      'publishes what others publish at the same time, whatever becomes of one',
      async ({ topic, publish, subscribe }) => {
        const seen = recorder();
        await subscribe(seen);
        const broken = { topic, key: 'a', value: undefined as unknown as string };
        const results = await Promise.allSettled([publish('a 1'), lab.bus.publish([broken]), publish('a 2')]);
        assert.deepEqual(
          results.map(({ status }) => status),
          ['fulfilled', 'rejected', 'fulfilled'],
        );
        await eventually(() => seen.values.length === 2, generous);
      },
    );

    check('waits for the running handler when it stops, and delivers no more', async ({ publish, subscribe }) => {
      const { promise: finishing, resolve: finish } = Promise.withResolvers<void>();
      const seen: string[] = [];
      let finished = false;
      const subscription = await subscribe({
        async handler({ value }) {
          seen.push(value);
          await finishing;
          finished = true;
        },
      });
      await publish('a 1', 'a 2');
      await eventually(() => seen.length === 1, generous);
      const stopping = subscription.stop().then(() => finished);
      await publish('a 3');
      finish();
      assert.equal(await stopping, true, 'stop() resolved before the handler was done');
      assert.deepEqual(seen, ['a 1']);
      const rest = recorder();
      await subscribe(rest);
      await eventually(() => rest.values.length === 2, generous);
      assert.deepEqual(rest.values, ['a 2', 'a 3'], 'what was acknowledged is not delivered again');
    });

    check('publishes from within a handler', async ({ publish, subscribe }) => {
      const seen = recorder();
      await subscribe({
        async handler(delivery) {
          await seen.handler(delivery);
          if (delivery.value === 'a 1') await publish('a 2');
        },
      });
      await publish('a 1');
      await eventually(() => seen.values.length === 2, generous);
    });
  });
}

function message(topic: string, text: string): { topic: string; key: string; value: string } {
  return { topic, key: text.slice(0, text.indexOf(' ')), value: text };
}
