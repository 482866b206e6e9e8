import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../../test/support/virtual-clock.ts';
import { withDeadline } from './deadline.ts';

const never = (): Promise<never> => new Promise(() => undefined);

test('gives what the function gives, or throws what it throws, and leaves no timer', async () => {
  const clock = createVirtualClock();
  assert.equal(await withDeadline(clock, 1000, 'work', async () => 42), 42);
  const error = new Error('no');
  await assert.rejects(
    withDeadline(clock, 1000, 'work', () => Promise.reject(error)),
    (thrown) => thrown === error,
  );
  await assert.rejects(
    withDeadline(clock, 1000, 'work', () => {
      throw error;
    }),
    (thrown) => thrown === error,
  );
  assert.equal(clock.pending(), 0);
});

test('fails at the deadline, whether the function listens or not, and aborts its signal', async () => {
  const clock = createVirtualClock();
  let signal: AbortSignal | undefined;
  const failing = assert.rejects(
    withDeadline(clock, 90_500, 'build of room-comfort', (given) => {
      signal = given;
      return never();
    }),
    { code: 'AVK_DEADLINE', message: 'build of room-comfort took longer than 90.5 s' },
  );
  await clock.advance(90_499);
  assert.equal(signal?.aborted, false);
  await clock.advance(1);
  await failing;
  assert.equal(signal?.aborted, true);
  assert.equal(signal?.reason.code, 'AVK_DEADLINE');
  const short = assert.rejects(withDeadline(clock, 250, 'it', never), { message: 'it took longer than 250 ms' });
  await clock.advance(250);
  await short;
});

test('ends with the reason of its parent, before, meanwhile, and not afterwards', async () => {
  const clock = createVirtualClock();
  const parent = new AbortController();
  const reason = new Error('stopping');
  let signal: AbortSignal | undefined;
  const done = await withDeadline(
    clock,
    1000,
    'work',
    async (given) => {
      signal = given;
      return 1;
    },
    parent.signal,
  );
  const failing = assert.rejects(withDeadline(clock, 1000, 'work', never, parent.signal), (error) => error === reason);
  parent.abort(reason);
  await failing;
  assert.equal(done, 1);
  assert.equal(signal?.aborted, false, 'what is over is not aborted');
  let ran = false;
  await assert.rejects(
    withDeadline(
      clock,
      1000,
      'work',
      async () => {
        ran = true;
      },
      parent.signal,
    ),
    (error) => error === reason,
  );
  assert.equal(ran, false);
  assert.equal(clock.pending(), 0);
});

test('a function that fails after its deadline disturbs nobody', async () => {
  const clock = createVirtualClock();
  const { promise, reject } = Promise.withResolvers<never>();
  const failing = assert.rejects(
    withDeadline(clock, 10, 'work', () => promise),
    { code: 'AVK_DEADLINE' },
  );
  await clock.advance(10);
  await failing;
  reject(new Error('too late'));
  // An unhandled rejection would fail this test.
  await clock.advance(10);
});
