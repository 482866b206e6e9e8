import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../../../test/support/virtual-clock.ts';
import { systemClock } from './system.ts';

test('the wall clock is in milliseconds, and the monotonic one never goes back', () => {
  assert.ok(Math.abs(systemClock.now() - Date.now()) < 10_000);
  const first = systemClock.monotonic();
  assert.ok(systemClock.monotonic() >= first);
});

test('a timer runs once, and not when it was cancelled', async () => {
  let ran = 0;
  systemClock.after(1, () => assert.fail('it was cancelled')).cancel();
  const timer = systemClock.after(1, () => {
    ran += 1;
  });
  await systemClock.sleep(20);
  timer.cancel();
  assert.equal(ran, 1);
});

test('a sleep ends with the reason it was aborted for', async () => {
  const reason = new Error('enough');
  const controller = new AbortController();
  const sleeping = systemClock.sleep(60_000, controller.signal);
  controller.abort(reason);
  await assert.rejects(sleeping, (error) => error === reason);
  await assert.rejects(systemClock.sleep(1, controller.signal), (error) => error === reason);
});

test('the virtual clock runs timers at their own moments, those that were set meanwhile too', async () => {
  const clock = createVirtualClock(1000);
  const seen: [string, number][] = [];
  const note = (name: string) => (): void => {
    seen.push([name, clock.now()]);
  };
  clock.after(30, note('late'));
  clock.after(10, () => {
    note('first')();
    clock.after(5, note('between'));
  });
  clock.after(20, note('never')).cancel();
  const slept = clock.sleep(40).then(note('slept'));
  await clock.advance(25);
  assert.deepEqual(seen, [
    ['first', 1010],
    ['between', 1015],
  ]);
  await clock.advance(15);
  await slept;
  assert.deepEqual(seen.slice(2), [
    ['late', 1030],
    ['slept', 1040],
  ]);
  assert.equal(clock.pending(), 0);
  const reason = new Error('enough');
  await assert.rejects(clock.sleep(1, AbortSignal.abort(reason)), (error) => error === reason);
});
