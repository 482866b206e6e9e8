import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { eventually } from '../../test/support/eventually.ts';
import { type KernelLab, kernelLab, type LabService, type LabServiceOptions } from '../../test/support/kernel-lab.ts';
import { formatEnvelope } from '../domain/message.ts';
import type { Delivery } from '../ports/message-bus.ts';

async function newLab(t: TestContext, seed: number): Promise<KernelLab> {
  const lab = await kernelLab(seed);
  t.after(() => lab.cleanup());
  return lab;
}

function act(tx: LabService['database']['read'], text: string): Promise<unknown> {
  return tx
    .insertInto('acts')
    .values({ act: text } as { id: null; act: string })
    .execute();
}

/** A service that notes each command and answers it. */
async function worker(t: TestContext, lab: KernelLab, options: LabServiceOptions = {}): Promise<LabService> {
  const service = await lab.service({ service: 'node-manager', listens: ['NodeManager'], ...options });
  service.messenger.onCommand('give best node', async (unit, message) => {
    await act(unit.tx, `give ${message.fields.name}`);
    unit.send('DeploymentManager', 'ans-node', { node: message.fields.name }, message.requestId);
  });
  await service.messenger.start();
  t.after(() => service.messenger.stop());
  return service;
}

/** Everything that comes to a topic, whoever reads it too. */
async function follow(t: TestContext, lab: KernelLab, topic: string): Promise<Delivery[]> {
  const seen: Delivery[] = [];
  const subscription = await lab.bus.subscribe({
    topics: [topic],
    group: randomUUID(),
    async handler(delivery) {
      seen.push(delivery);
    },
  });
  t.after(() => subscription.stop());
  return seen;
}

function command(name: string, requestId: string, data?: Record<string, unknown>) {
  const value = formatEnvelope({
    to_topic: 'NodeManager',
    from_topic: 'DeploymentManager',
    request_id: requestId,
    msg: `give best node$${name}`,
    ...(data ? { data } : {}),
  });
  return { topic: 'NodeManager', key: name, value };
}

/** Resolves once the worker has handled all that was published before. */
async function handled(lab: KernelLab, service: LabService): Promise<void> {
  const last = `last-${randomUUID()}`;
  await lab.bus.publish([command(last, last)]);
  await eventually(async () => (await service.acts()).includes(`give ${last}`));
}

const real = (acts: string[]): string[] => acts.filter((text) => !text.includes('last-'));

test('a command that is repeated is carried out once, and answered once', async (t) => {
  const lab = await newLab(t, 1);
  const answers = await follow(t, lab, 'DeploymentManager');
  const service = await worker(t, lab);
  for (let round = 0; round < 5; round += 1) await lab.bus.publish([command('a', 'r1'), command('a', 'r1')]);
  await handled(lab, service);
  assert.deepEqual(real(await service.acts()), ['give a']);
  await eventually(() => answers.length === 2);
  await service.messenger.stop();
  const again = await worker(t, lab);
  await lab.bus.publish([command('a', 'r1')]);
  await handled(lab, again);
  assert.deepEqual(real(await again.acts()), ['give a']);
});

test('another request, subject or attempt is another command', async (t) => {
  const lab = await newLab(t, 2);
  const service = await worker(t, lab);
  await lab.bus.publish([command('a', 'r1'), command('a', 'r1', { attempt: 1 }), command('a', 'r1', { attempt: 0 })]);
  await lab.bus.publish([command('b', 'r1'), command('a', 'r2'), command('a', 'r1', { attempt: 1 })]);
  await handled(lab, service);
  assert.deepEqual(real(await service.acts()).sort(), ['give a', 'give a', 'give a', 'give b']);
});

test('a command whose handler failed is carried out later, once and whole', async (t) => {
  const lab = await newLab(t, 3);
  const answers = await follow(t, lab, 'DeploymentManager');
  const service = await lab.service({ service: 'node-manager', listens: ['NodeManager'] });
  let failures = 3;
  service.messenger.onCommand('give best node', async (unit, message) => {
    await act(unit.tx, message.fields.name);
    unit.send('DeploymentManager', 'ans-node', { node: 'n' }, message.requestId);
    failures -= 1;
    if (failures >= 0) throw new Error('not yet');
  });
  await service.messenger.start();
  t.after(() => service.messenger.stop());
  await lab.bus.publish([command('a', 'r1')]);
  await eventually(() => answers.length === 1);
  assert.deepEqual(await service.acts(), ['a']);
});

test('an answer is handed on each time it arrives', async (t) => {
  const lab = await newLab(t, 4);
  const service = await lab.service({ service: 'node-manager', listens: ['NodeManager'] });
  service.messenger.onAnswer('give best node', async (unit, message) => {
    assert.equal(message.from, 'DeploymentManager');
    assert.deepEqual(message.data, { resources: 1 });
    await act(unit.tx, message.fields.name);
  });
  await service.messenger.start();
  t.after(() => service.messenger.stop());
  await lab.bus.publish([command('a', 'r', { resources: 1 }), command('a', 'r', { resources: 1 })]);
  await eventually(async () => (await service.acts()).length === 2);
});

test('nothing is sent, and nothing runs afterwards, when the transaction fails', async (t) => {
  const lab = await newLab(t, 5);
  const seen = await follow(t, lab, 'NodeManager');
  const service = await lab.service({ listens: [] });
  await service.messenger.start();
  t.after(() => service.messenger.stop());
  await assert.rejects(
    service.messenger.transaction(async (unit) => {
      unit.send('NodeManager', 'give best node', { name: 'never' }, 'r');
      unit.after(() => assert.fail('it was rolled back'));
      throw new Error('no');
    }),
    /^Error: no$/,
  );
  let ran = 0;
  for (let round = 0; round < 20; round += 1) {
    await service.messenger.transaction(async (unit) => {
      unit.send('NodeManager', 'give best node', { name: 'x' }, `r${round}`, { round });
      unit.after(() => {
        ran += 1;
      });
    });
  }
  await eventually(() => seen.length >= 20);
  assert.equal(seen.length, 20, 'a function that ran twice sent twice');
  assert.equal(ran, 20);
  assert.ok(!seen.some(({ value }) => value.includes('never')));
});

test('messages about one thing arrive in the order they were sent', async (t) => {
  const lab = await newLab(t, 6);
  const service = await worker(t, lab);
  const sender = await lab.service({ listens: [] });
  await sender.messenger.start();
  t.after(() => sender.messenger.stop());
  const order: string[] = [];
  service.messenger.onCommand('give best node', async (unit, message) => {
    await act(unit.tx, `${message.fields.name} ${message.data.n}`);
  });
  for (let n = 0; n < 60; n += 3) {
    await sender.messenger.transaction(async (unit) => {
      for (const each of [n, n + 1, n + 2]) {
        unit.send('NodeManager', 'give best node', { name: 'a' }, `r${each}`, { n: each });
      }
    });
    order.push(`a ${n}`, `a ${n + 1}`, `a ${n + 2}`);
  }
  await eventually(async () => (await service.acts()).length === 60);
  assert.deepEqual(await service.acts(), order);
});

test('a crash between commit and relay loses no message', async (t) => {
  const lab = await newLab(t, 7);
  const receiver = await worker(t, lab);
  const sender = await lab.service({ listens: [] });
  await sender.messenger.start();
  void sender.messenger.transaction(async (unit) => {
    unit.send('NodeManager', 'give best node', { name: 'a' }, 'r1');
    unit.after(() => sender.crash());
  });
  await eventually(async () => {
    const rows = await sender.database.read.selectFrom('messenger_outbox').select('id').execute();
    return rows.length === 1;
  });
  await handled(lab, receiver);
  assert.deepEqual(real(await receiver.acts()), []);
  const restarted = await lab.service({ listens: [] });
  await restarted.messenger.start();
  t.after(() => restarted.messenger.stop());
  await eventually(async () => real(await receiver.acts()).length === 1);
});

test('a crash between relay and its note repeats the message, which has no effect', async (t) => {
  const lab = await newLab(t, 8);
  const seen = await follow(t, lab, 'NodeManager');
  const receiver = await worker(t, lab);
  const sender = await lab.service({ listens: [], onPublished: () => sender.crash() });
  await sender.messenger.start();
  void sender.messenger.transaction(async (unit) => {
    unit.send('NodeManager', 'give best node', { name: 'a' }, 'r1');
  });
  await eventually(() => seen.length === 1);
  const restarted = await lab.service({ listens: [] });
  await restarted.messenger.start();
  t.after(() => restarted.messenger.stop());
  await eventually(() => seen.length === 2);
  await handled(lab, receiver);
  assert.deepEqual(real(await receiver.acts()), ['give a']);
});

test('a crash in a handler, before or after its commit, makes it act once', async (t) => {
  const lab = await newLab(t, 9);
  for (const [index, moment] of (['inside', 'after'] as const).entries()) {
    const name = `app-${index}`;
    const first = await lab.service({ service: 'node-manager', listens: ['NodeManager'] });
    let crashed = false;
    first.messenger.onCommand('give best node', async (unit, message) => {
      await act(unit.tx, message.fields.name);
      if (message.fields.name !== name) return;
      crashed = true;
      if (moment === 'inside') first.crash();
      else unit.after(() => first.crash());
    });
    await first.messenger.start();
    await lab.bus.publish([command(name, 'r')]);
    await eventually(() => crashed);
    const second = await worker(t, lab);
    await handled(lab, second);
    await eventually(async () => (await second.acts()).some((text) => text.endsWith(name)));
    assert.equal((await second.acts()).filter((text) => text.endsWith(name)).length, 1, moment);
    await second.messenger.stop();
  }
});

test('what nobody understands is passed over, and what comes after it is handled', async (t) => {
  const lab = await newLab(t, 10);
  const dead = await follow(t, lab, 'NodeManager.dead');
  const service = await worker(t, lab);
  const texts = [
    'not JSON',
    '{}',
    JSON.stringify({ to_topic: 'NodeManager', from_topic: 'x', request_id: 'r', msg: 'sing a song$loud' }),
    JSON.stringify({ to_topic: 'Nowhere', from_topic: 'x', request_id: 'r', msg: 'give best node$a' }),
    // Known to the platform, but not to this service.
    JSON.stringify({ to_topic: 'NodeManager', from_topic: 'x', request_id: 'r', msg: 'start platform' }),
  ];
  await lab.bus.publish(texts.map((value) => ({ topic: 'NodeManager', key: 'a', value })));
  // As the starting document's programs write it.
  const python = "{'to_topic': 'NodeManager', 'from_topic': 'x', 'request_id': 'r9', 'msg': 'give best node$python'}";
  await lab.bus.publish([{ topic: 'NodeManager', key: 'a', value: python }]);
  await eventually(async () => (await service.acts()).length === 1);
  assert.deepEqual(await service.acts(), ['give python']);
  assert.deepEqual(dead, []);
});

test('messages that cannot be published wait, and go out later', async (t) => {
  const lab = await newLab(t, 11);
  const service = await lab.service({ listens: [] });
  await service.messenger.start();
  t.after(() => service.messenger.stop());
  await lab.bus.close();
  await service.messenger.transaction(async (unit) => {
    unit.send('NodeManager', 'give best node', { name: 'a' }, 'r1');
  });
  await eventually(() => lab.logged.includes('messages wait in the outbox'));
  await lab.reopenBus();
  const receiver = await worker(t, lab);
  await eventually(async () => (await receiver.acts()).length === 1);
});
