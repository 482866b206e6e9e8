import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { candidatePorts, halves, portRangeSchema } from './ports.ts';

const range = fc
  .tuple(fc.integer({ min: 1024, max: 65_000 }), fc.integer({ min: 1, max: 300 }))
  .map(([first, size]) => ({ first, last: first + size }));
const setting = range.chain((within) =>
  fc.record({
    within: fc.constant(within),
    last: fc.option(fc.integer({ min: within.first - 5, max: within.last + 5 })),
    taken: fc.uniqueArray(fc.integer({ min: within.first - 2, max: within.last + 2 })).map((list) => new Set(list)),
  }),
);

describe('ports', () => {
  test('candidates are unique, inside the range, none of them taken, and all that are free come', () => {
    fc.assert(
      fc.property(setting, ({ within, last, taken }) => {
        const ports = [...candidatePorts(within, last, taken)];
        assert.equal(new Set(ports).size, ports.length);
        for (const port of ports) assert.ok(port >= within.first && port <= within.last && !taken.has(port));
        const free = Array.from({ length: within.last - within.first + 1 }, (_, n) => within.first + n);
        assert.equal(ports.length, free.filter((port) => !taken.has(port)).length);
      }),
    );
  });

  test('the port that was used last comes last', () => {
    fc.assert(
      fc.property(setting, ({ within, last }) => {
        const ports = [...candidatePorts(within, last, new Set())];
        const inside = last !== null && last >= within.first && last <= within.last;
        if (inside) assert.equal(ports.at(-1), last);
        else assert.equal(ports[0], within.first);
      }),
    );
  });

  test('the halves are all of the range, apart, and never empty', () => {
    fc.assert(
      fc.property(range, (whole) => {
        const { firstReplicas, furtherReplicas } = halves(whole);
        assert.equal(firstReplicas.first, whole.first);
        assert.equal(furtherReplicas.last, whole.last);
        assert.equal(firstReplicas.last + 1, furtherReplicas.first);
        for (const half of [firstReplicas, furtherReplicas]) assert.ok(half.first <= half.last);
      }),
    );
  });

  test('a range has at least two ports, none of them privileged', () => {
    for (const wrong of [
      { first: 2000, last: 2000 },
      { first: 2001, last: 2000 },
      { first: 80, last: 2000 },
      { first: 2000, last: 70_000 },
    ]) {
      assert.equal(portRangeSchema.safeParse(wrong).success, false, JSON.stringify(wrong));
    }
    assert.ok(portRangeSchema.safeParse({ first: 2000, last: 2001 }).success);
  });
});
