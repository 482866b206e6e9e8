import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plain } from './ansi.ts';
import { curveText, inOrder, mergePoints } from './series.ts';

test('what came live goes after what was stored, and nothing twice', () => {
  assert.deepEqual(
    mergePoints(
      [
        [1, 10],
        [2, 20],
      ],
      [
        [2, 21],
        [3, 30],
      ],
    ),
    [
      [1, 10],
      [2, 20],
      [3, 30],
    ],
  );
  assert.deepEqual(mergePoints([], [[1, 10]]), [[1, 10]]);
});

test('a curve is said in a sentence, gaps left out', () => {
  assert.equal(curveText([], 0), 'no values yet');
  assert.equal(curveText([[1, null]], 0), 'no values yet');
  assert.equal(
    curveText(
      [
        [1, 5, 10.4],
        [2, 5, null],
        [3, 5, 30],
      ],
      1,
    ),
    'now 30 %, 20 % on average, 30 % at most',
  );
});

test('what is meant for a terminal is left out of a line', () => {
  assert.equal(plain('\u001b[31mred\u001b[0m \u001b]0;title\u0007and [31m plain'), 'red and [31m plain');
  assert.equal(plain('plain'), 'plain');
});

test('lines of several replicas are in the order of their times', () => {
  const line = (ts: string, text: string) => ({ ts: `2026-11-22T08:00:${ts}Z`, text });
  const lines = [line('01.000', 'a1'), line('05.000', 'a2'), line('02.000', 'b1'), line('05.000', 'b2')];
  assert.deepEqual(
    inOrder(lines).map(({ text }) => text),
    ['a1', 'b1', 'a2', 'b2'],
  );
});
