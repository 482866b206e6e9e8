import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../../../test/support/virtual-clock.ts';
import { createGuessing } from './guessing.ts';
import { createThrottle } from './throttle.ts';

test('so many failures within the window, then none until it has passed', async () => {
  const clock = createVirtualClock();
  const throttle = createThrottle(clock, 3);
  for (let failure = 0; failure < 3; failure += 1) {
    assert.equal(throttle.waitSeconds('a'), 0);
    throttle.failed('a');
  }
  assert.equal(throttle.waitSeconds('a'), 60);
  assert.equal(throttle.waitSeconds('b'), 0);
  assert.deepEqual(
    [throttle.firstRefusal('a'), throttle.firstRefusal('a'), throttle.firstRefusal('b')],
    [true, false, false],
  );
  await clock.advance(59_001);
  assert.equal(throttle.waitSeconds('a'), 1);
  await clock.advance(999);
  assert.equal(throttle.waitSeconds('a'), 0);
  throttle.failed('a');
  assert.equal(throttle.waitSeconds('a'), 0, 'counted from the start');
  throttle.failed('a');
  throttle.succeeded('a');
  throttle.failed('a');
  throttle.failed('a');
  assert.equal(throttle.waitSeconds('a'), 0, 'a right one forgives those before it');
});

test('keys without end do not fill the memory', () => {
  const throttle = createThrottle(createVirtualClock(), 1);
  for (let number = 0; number < 20_000; number += 1) throttle.failed(`key ${number}`);
  assert.equal(throttle.waitSeconds('key 0'), 0, 'the oldest were let go');
  assert.equal(throttle.waitSeconds('key 19999'), 60);
});

test('a right password does not forgive what the same source guessed at others', async () => {
  const guessing = createGuessing(createVirtualClock());
  const guess = (username: string, right: boolean): Promise<boolean> =>
    guessing.allow({ username, from: '10.0.0.1' }, async () => right);
  for (let number = 0; number < 50; number += 1) {
    await guess(`user${number}`, false);
    if (number % 5 === 0) assert.equal(await guess('own', true), true);
  }
  await assert.rejects(guess('own', true), { code: 'AVK_TOO_MANY_REQUESTS', retryAfterSeconds: 60 });
  assert.equal(await guessing.allow({ username: 'own', from: '10.0.0.2' }, async () => true), true);
});
