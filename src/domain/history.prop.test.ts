import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AvkError } from './errors.ts';
import { iso, MOST_POINTS, RECORD_EVERY_MS, spanOf, spanQuery } from './history.ts';

const NOW = Date.UTC(2026, 10, 22, 9, 0, 3);
const moment = fc.integer({ min: Date.UTC(1, 0), max: Date.UTC(9999, 0) });

test('any span is cut into at most 500 steps, begins at a whole one at most a step early, and covers what was asked', () => {
  fc.assert(
    fc.property(moment, moment, (a, b) => {
      fc.pre(a !== b);
      const [from, to] = a < b ? [a, b] : [b, a];
      const span = spanOf({ from: iso(from), to: iso(to) }, NOW);
      assert.equal(span.to, to);
      assert.ok(span.from <= from && span.from > from - span.stepMs);
      assert.equal(Math.abs(span.from % span.stepMs), 0);
      assert.ok(span.stepMs >= RECORD_EVERY_MS && span.stepMs % 1000 === 0);
      assert.ok(Math.floor((to - span.from) / span.stepMs) + 1 <= MOST_POINTS, `${span.stepMs}`);
    }),
  );
});

test('usual spans get steps that people think in', () => {
  const step = (hours: number): number => spanOf({ from: iso(NOW - hours * 3_600_000) }, NOW).stepMs / 1000;
  assert.deepEqual([1, 6, 24, 168].map(step), [10, 60, 300, 1800]);
  assert.deepEqual(spanOf({}, NOW), { from: NOW - 3_600_000 - 3000, to: NOW, stepMs: 10_000 });
  const before = spanOf({ to: iso(NOW - 86_400_000) }, NOW);
  assert.equal(before.to - before.from, 3_600_000 + 3000);
});

test('a span that does not begin before it ends is refused, naming both ends', () => {
  const refused = (query: { from?: string; to?: string }, sentence: RegExp): void => {
    assert.throws(
      () => spanOf(query, NOW),
      (error) => {
        assert.ok(error instanceof AvkError);
        assert.equal(error.code, 'AVK_UNACCEPTABLE');
        assert.match(error.message, sentence);
        assert.deepEqual([error.errors[0]?.path, error.errors[0]?.received], ['from', query.from]);
        return true;
      },
    );
  };
  refused({ from: iso(NOW), to: iso(NOW) }, /before to, which is 2026-11-22T09:00:03/);
  refused({ from: iso(NOW + 1), to: iso(NOW) }, /before to/);
  refused({ from: iso(NOW + 1) }, /before now, which is/);
});

test('times are RFC 3339 with an offset', () => {
  for (const good of ['2026-11-22T08:00:00Z', '2026-11-22T08:00:00.5Z', '2026-11-22T08:00:00+05:30']) {
    assert.ok(spanQuery.safeParse({ from: good }).success, good);
  }
  for (const bad of ['yesterday', '2026-11-22', '2026-11-22T08:00:00', '2026-02-30T08:00:00Z', '1763798400000', '']) {
    const parsed = spanQuery.safeParse({ from: bad });
    assert.match(parsed.error?.issues[0]?.message ?? '', /^expected an RFC 3339 time such as/, bad);
  }
});
