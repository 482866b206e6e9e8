import assert from 'node:assert/strict';
import { test } from 'node:test';
import { relative, timeIn } from './times.ts';

test('a span counts from the time given; what is none is left to the platform', () => {
  const from = Date.parse('2026-11-22T08:00:00Z');
  const cases: [string, string | null][] = [
    ['+90s', '2026-11-22T08:01:30.000Z'],
    ['+10m', '2026-11-22T08:10:00.000Z'],
    ['+8h', '2026-11-22T16:00:00.000Z'],
    ['+2d', '2026-11-24T08:00:00.000Z'],
    ['10m', null],
    ['+10', null],
    ['+x', null],
    ['2026-11-22T08:00', null],
  ];
  for (const [text, expected] of cases) assert.equal(relative(text, from), expected, text);
});

test('times are shown as the zone’s clock shows them', () => {
  assert.equal(timeIn('2026-11-22T23:30:00Z', 'Asia/Kathmandu'), 'Mon 2026-11-23 05:15');
  assert.equal(timeIn('2026-11-22T23:30:05Z', 'UTC'), 'Sun 2026-11-22 23:30:05');
  assert.equal(timeIn('2026-11-23T00:00:00Z', 'UTC'), 'Mon 2026-11-23 00:00');
});
