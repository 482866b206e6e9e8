import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from './turns.ts';

const turn = (): Promise<void> => new Promise(setImmediate);

/** Work that a test lets go on when it likes. */
function work(turns: Turns, signal: AbortSignal = new AbortController().signal) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const state = { started: false, finish: resolve, fail: reject, result: Promise.resolve('') };
  state.result = turns.take(signal, () => {
    state.started = true;
    return promise;
  });
  state.result.catch(() => undefined);
  return state;
}

test('runs so many at once, the others in the order they came', async () => {
  const turns = new Turns(2);
  const all = Array.from({ length: 5 }, () => work(turns));
  const started = (): boolean[] => all.map((each) => each.started);
  await turn();
  assert.deepEqual(started(), [true, true, false, false, false]);
  all[1]?.finish('b');
  assert.equal(await all[1]?.result, 'b');
  await turn();
  assert.deepEqual(started(), [true, true, true, false, false]);
  // A failure gives its turn on too.
  all[0]?.fail(new Error('no'));
  await assert.rejects(all[0]?.result ?? Promise.resolve(), /^Error: no$/);
  await turn();
  assert.deepEqual(started(), [true, true, true, true, false]);
  for (const each of all) each.finish('rest');
  assert.deepEqual(await Promise.all(all.slice(2).map((each) => each.result)), ['rest', 'rest', 'rest']);
  const later = [work(turns), work(turns), work(turns)];
  await turn();
  assert.deepEqual(
    later.map((each) => each.started),
    [true, true, false],
  );
  for (const each of later) each.finish('');
});

test('whoever gives up leaves the queue, and keeps no turn', async () => {
  const turns = new Turns(1);
  const first = work(turns);
  const controller = new AbortController();
  const reason = new Error('cancelled');
  const leaving = work(turns, controller.signal);
  const last = work(turns);
  controller.abort(reason);
  await assert.rejects(leaving.result, (error) => error === reason);
  await assert.rejects(
    turns.take(controller.signal, async () => assert.fail()),
    (error) => error === reason,
  );
  first.finish('');
  await turn();
  assert.equal(leaving.started, false);
  assert.equal(last.started, true);
  last.finish('end');
  assert.equal(await last.result, 'end');
});
