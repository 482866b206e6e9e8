import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ago, bytes, painter, printable, sparkline, table } from './format.ts';

const plain = painter({ isTTY: false }, {});
const NOW = Date.parse('2026-03-01T12:00:00Z');
const ESCAPE = String.fromCharCode(27);

describe('format', () => {
  test('a table has columns as wide as their widest cell, and no spaces at the ends of its lines', () => {
    const text = table(
      ['NAME', 'STATE', ''],
      [
        ['a-long-name', 'up', ''],
        ['b', 'down', 'why'],
      ],
      plain,
    );
    assert.equal(text, 'NAME         STATE\na-long-name  up\nb            down   why\n');
  });

  test('a curve has one block for each part of the time, and a gap where nothing is known', () => {
    const over = { from: 0, to: 80, width: 8, highest: 70 };
    const rising = Array.from({ length: 8 }, (_, n): [number, number] => [n * 10, n * 10]);
    assert.equal(sparkline(rising, over), '▁▂▃▄▅▆▇█');
    assert.equal(
      sparkline(
        [
          [0, 70],
          [1, 0],
          [79, 35],
          [80, 10],
          [-5, 1],
        ],
        over,
      ),
      '█      ▅',
    );
    assert.equal(sparkline([[0, 0]], { ...over, highest: 0 }), '▁       ');
    assert.equal(sparkline([], over), ' '.repeat(8));
  });

  test('colours count nothing in a table', () => {
    const paint = painter({ isTTY: true }, {});
    const [, first, second] = table(
      ['A', 'B'],
      [
        [paint('green', 'up'), 'x'],
        ['down', 'y'],
      ],
      paint,
    ).split('\n');
    assert.equal(first?.indexOf('x'), (second?.indexOf('y') ?? 0) + paint('green', '').length);
  });

  test('no colours without a terminal, with NO_COLOR, on a dumb terminal', () => {
    assert.equal(plain('red', 'x'), 'x');
    assert.equal(painter({ isTTY: true }, { NO_COLOR: '1' })('red', 'x'), 'x');
    assert.equal(painter({ isTTY: true }, { TERM: 'dumb' })('red', 'x'), 'x');
    assert.notEqual(painter({ isTTY: true }, {})('red', 'x'), 'x');
  });

  for (const [seconds, text] of [
    [0, 'just now'],
    [42, '42 s ago'],
    [60, '1 min ago'],
    [59 * 60, '59 min ago'],
    [3600, '1 hour ago'],
    [47 * 3600, '1 day ago'],
    [12 * 86_400, '12 days ago'],
    [-5, 'just now'],
  ] as const) {
    test(`${seconds} s are "${text}"`, () => {
      assert.equal(ago(new Date(NOW - seconds * 1000).toISOString(), NOW), text);
    });
  }

  for (const [count, text] of [
    [0, '0 B'],
    [999, '999 B'],
    [1500, '1.5 kB'],
    [123_456, '123 kB'],
    [3_140_000, '3.1 MB'],
  ] as const) {
    test(`${count} bytes are "${text}"`, () => assert.equal(bytes(count), text));
  }

  test('what an app prints cannot steer the terminal; colours stay where they are shown', () => {
    const line = `a${ESCAPE}[31mred${ESCAPE}[2J${ESCAPE}]0;title\u0007\tb\r`;
    assert.equal(printable(line, false).includes(ESCAPE), false);
    assert.match(printable(`a${ESCAPE}[31mred${ESCAPE}[0m`, false), /^ared$/);
    const shown = printable(line, true);
    assert.ok(shown.startsWith(`a${ESCAPE}[31mred`) && shown.endsWith(`${ESCAPE}[0m`));
    assert.equal(shown.includes(`${ESCAPE}[2J`), false);
    assert.equal(shown.includes(`${ESCAPE}]0`), false);
    assert.ok(shown.includes('\tb'));
  });
});
