import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createSlots } from './slots.ts';

const never = new AbortController().signal;

test('no more than so many have a turn at a time, in the order in which they asked', async () => {
  const slots = createSlots(2);
  const order: number[] = [];
  const ends: (() => void)[] = [];
  const all = [0, 1, 2, 3].map(async (number) => {
    ends[number] = await slots.take(never);
    order.push(number);
  });
  await turn();
  assert.deepEqual(order, [0, 1]);
  ends[1]?.();
  ends[1]?.();
  await turn();
  assert.deepEqual(order, [0, 1, 2]);
  ends[0]?.();
  ends[2]?.();
  await Promise.all(all);
  assert.equal(slots.taken(), 1);
  assert.deepEqual(order, [0, 1, 2, 3]);
});

test('one that no longer waits is passed over', async () => {
  const slots = createSlots(1);
  const end = await slots.take(never);
  const abort = new AbortController();
  const given = slots.take(abort.signal);
  const next = slots.take(never);
  abort.abort(new Error('enough'));
  await assert.rejects(given, /enough/);
  await assert.rejects(slots.take(AbortSignal.abort(new Error('too late'))), /too late/);
  end();
  (await next)();
});
