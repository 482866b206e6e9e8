import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  LOST_AFTER_MS,
  NEVER_SEEN_MS,
  NODE_STATES,
  type NodeSnapshot,
  newcomerState,
  nodeState,
  SUSPECT_AFTER_MS,
} from './node.ts';
import { infeasible, place, scoreNode } from './placement.ts';

const GIB = 1024 ** 3;
const percent = fc.oneof(fc.double({ min: 0, max: 100, noNaN: true }), fc.constantFrom(0, 50, 95, 95.1, 100));

const node = fc.record({
  address: fc.constant('10.0.0.1'),
  state: fc.oneof({ weight: 4, arbitrary: fc.constant('ready' as const) }, fc.constantFrom(...NODE_STATES)),
  cpuPercent: percent,
  memoryPercent: percent,
  diskPercent: percent,
  cores: fc.integer({ min: 1, max: 64 }),
  memoryBytes: fc.integer({ min: 1, max: 64 }).map((gib) => gib * GIB),
  replicas: fc.nat({ max: 3 }),
  promised: fc.record({ cpus: fc.double({ min: 0, max: 8, noNaN: true }), memoryMb: fc.nat({ max: 4096 }) }),
});
const fleet = fc
  .array(node, { maxLength: 12 })
  .map((nodes) => nodes.map((one, index): NodeSnapshot => ({ ...one, name: `node${index}` })));
const resources = fc.record({
  cpus: fc.double({ min: 0.1, max: 4, noNaN: true }),
  memoryMb: fc.integer({ min: 16, max: 8192 }),
});

const healthy: NodeSnapshot = {
  name: 'a',
  address: '10.0.0.1',
  state: 'ready',
  cpuPercent: 10,
  memoryPercent: 20,
  diskPercent: 30,
  cores: 4,
  memoryBytes: 8 * GIB,
  replicas: 0,
  promised: { cpus: 0, memoryMb: 0 },
};
const small = { cpus: 0.5, memoryMb: 256 };

describe('placement', () => {
  test('the chosen machine can take it and none that can scores higher', () => {
    fc.assert(
      fc.property(fleet, resources, (nodes, wanted) => {
        const chosen = place(nodes, wanted);
        const able = nodes.filter((one) => infeasible(one, wanted) === null);
        if (chosen.node === null) {
          assert.deepEqual(able, []);
          return;
        }
        const found = able.find(({ name }) => name === chosen.node);
        assert.ok(found, 'it is one that can take it');
        assert.equal(chosen.score, scoreNode(found));
        assert.equal(chosen.score, Math.max(...able.map(scoreNode)));
      }),
    );
  });

  test('machines to avoid are passed over while another can take it, and taken where none can', () => {
    const avoided = fc.array(fc.nat({ max: 11 }).map((index) => `node${index}`));
    fc.assert(
      fc.property(fleet, resources, avoided, (nodes, wanted, avoid) => {
        const chosen = place(nodes, wanted, avoid);
        const others = nodes.filter(({ name }) => !avoid.includes(name));
        const without = place(others, wanted);
        if (without.node === null) assert.deepEqual(chosen, place(nodes, wanted));
        else assert.equal(chosen.node, without.node);
      }),
    );
  });

  test('the order in which the machines come does not matter', () => {
    const shuffled = fleet.chain((nodes) =>
      fc.tuple(fc.constant(nodes), fc.shuffledSubarray(nodes, { minLength: nodes.length })),
    );
    fc.assert(
      fc.property(shuffled, resources, ([nodes, other], wanted) => {
        assert.equal(place(nodes, wanted).node, place(other, wanted).node);
      }),
    );
  });

  test('nowhere: the reason says what is wrong with each, and counts when there are many', () => {
    fc.assert(
      fc.property(fleet, resources, (nodes, wanted) => {
        const chosen = place(nodes, wanted);
        if (chosen.node !== null) return;
        if (nodes.length === 0) assert.equal(chosen.reason, 'no machine is known yet');
        for (const one of nodes.slice(0, 5))
          assert.ok(chosen.reason.includes(`${one.name} ${infeasible(one, wanted)}`));
        assert.equal(chosen.reason.includes(`and ${nodes.length - 5} more`), nodes.length > 5);
      }),
    );
  });

  test('scores are 0 to 100, and busier never scores higher', () => {
    fc.assert(
      fc.property(fleet, percent, (nodes, more) => {
        for (const one of nodes) {
          const score = scoreNode(one);
          assert.ok(score >= 0 && score <= 100);
          for (const key of ['cpuPercent', 'memoryPercent', 'diskPercent'] as const) {
            assert.ok(scoreNode({ ...one, [key]: one[key] + more }) <= score);
          }
        }
      }),
    );
  });

  const rows: [string, Partial<NodeSnapshot>, RegExp | null][] = [
    ['healthy', {}, null],
    ['suspect', { state: 'suspect' }, /^is suspect$/],
    ['draining', { state: 'draining' }, /^is draining$/],
    ['a full disk', { diskPercent: 96.2 }, /disk that is 96 % full/],
    ['a disk at the limit', { diskPercent: 95 }, null],
    ['too little memory', { memoryPercent: 99 }, /has 81 MB of memory free and the app needs 256/],
    ['memory promised to others', { promised: { cpus: 0, memoryMb: 6400 } }, /has 153 MB/],
    ['more promised than there is', { promised: { cpus: 0, memoryMb: 99_999 } }, /has 0 MB/],
  ];
  for (const [what, change, expected] of rows) {
    test(`a machine that is or has: ${what}`, () => {
      const problem = infeasible({ ...healthy, ...change }, small);
      if (expected === null) assert.equal(problem, null);
      else assert.match(problem ?? '', expected);
    });
  }

  test('equal scores: fewer replicas, then the name', () => {
    const crowded = { ...healthy, replicas: 2 };
    assert.equal(place([crowded, { ...healthy, name: 'z' }], small).node, 'z');
    assert.equal(place([{ ...healthy, name: 'z' }, healthy], small).node, 'a');
  });

  test('the reason of a choice has the figures', () => {
    const { reason } = place([healthy, { ...healthy, name: 'b', cpuPercent: 90 }], small);
    assert.match(reason, /^a is the healthiest of 2 machines: CPU 10 %, memory 20 %, disk 30 %, score \d+\.\d$/);
    assert.match(place([healthy], small).reason, /the only machine that can take it/);
    const others = ['b', 'c'].map((name) => ({ ...healthy, name }));
    assert.match(
      place([healthy, ...others], small, ['a']).reason,
      /^b is .* of 2 machines besides a, where it failed: /,
    );
  });
});

test('a machine by the age of its last sample', () => {
  assert.equal(nodeState(0, 'ready'), 'ready');
  assert.equal(nodeState(SUSPECT_AFTER_MS, 'ready'), 'ready');
  assert.equal(nodeState(SUSPECT_AFTER_MS + 1, 'ready'), 'suspect');
  assert.equal(nodeState(LOST_AFTER_MS + 1, 'ready'), 'lost');
  assert.equal(nodeState(LOST_AFTER_MS + 1, 'drained'), 'lost');
  assert.equal(newcomerState(NEVER_SEEN_MS), 'suspect');
  assert.equal(newcomerState(NEVER_SEEN_MS + 1), 'lost');
  assert.equal(nodeState(SUSPECT_AFTER_MS + 1, 'draining'), 'draining');
});
