import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { canBecome, DEPLOYING, ENDED, INSTANCE_STATES, type InstanceState } from './instance.ts';

const LIVING: readonly InstanceState[] = ['running', 'degraded'];
const state = fc.constantFrom(...INSTANCE_STATES);
const nextOf = (from: InstanceState): InstanceState[] => INSTANCE_STATES.filter((to) => canBecome(from, to));

/** How far an instance has come; both living states are as far. */
function rank(of: InstanceState): number {
  if (of === 'scheduled') return -1;
  if (LIVING.includes(of)) return DEPLOYING.length;
  if (of === 'stopping') return DEPLOYING.length + 1;
  return ENDED.includes(of) ? DEPLOYING.length + 2 : DEPLOYING.indexOf(of);
}

/** A machine or port that was lost sends a deployment back to placing; an ended name may be deployed again. */
function documentedStepBack(from: InstanceState, to: InstanceState): boolean {
  return (to === 'placing' && DEPLOYING.includes(from)) || (to === 'requested' && ENDED.includes(from));
}

describe('instance states', () => {
  for (const ended of ['stopped', 'cancelled'] as const) {
    test(`there is no way out of ${ended} but being requested again`, () =>
      assert.deepEqual(nextOf(ended), ['requested']));
  }
  test('there is no way out of failed but being requested again', {}, () =>
    assert.deepEqual(nextOf('failed'), ['requested']),
  );

  test('whatever is being deployed can be stopped, fail, be cancelled, and come to run', () => {
    for (const from of DEPLOYING) {
      for (const to of ['stopping', 'failed', 'cancelled', 'running', 'degraded'] as const) {
        assert.ok(canBecome(from, to), `${from} -> ${to}`);
      }
    }
  });

  test('what lives ends only by stopping', () => {
    assert.deepEqual(nextOf('running'), ['degraded', 'stopping']);
    assert.deepEqual(nextOf('degraded'), ['running', 'stopping']);
    assert.deepEqual(nextOf('stopping'), ['stopped', 'failed', 'cancelled']);
  });

  test('only what is scheduled or ended can be requested', () => {
    assert.deepEqual(
      INSTANCE_STATES.filter((from) => canBecome(from, 'requested')),
      ['scheduled', 'stopped', 'failed', 'cancelled'],
    );
    assert.deepEqual(
      INSTANCE_STATES.filter((from) => canBecome(from, 'scheduled')),
      [],
    );
  });

  test('every state has a way to an end', () => {
    for (const from of INSTANCE_STATES) {
      const reached = new Set<InstanceState>([from]);
      for (const at of reached) for (const to of nextOf(at)) reached.add(to);
      assert.ok(
        ENDED.some((end) => reached.has(end)),
        from,
      );
    }
  });
});

test('no path skips backwards but where it is documented', () => {
  fc.assert(
    fc.property(state, fc.array(fc.nat(), { maxLength: 30 }), (start, choices) => {
      let at = start;
      for (const choice of choices) {
        const ways = nextOf(at);
        const to = ways[choice % Math.max(1, ways.length)];
        if (!to) return;
        const backwards = rank(to) < rank(at);
        const known = documentedStepBack(at, to) || (at === 'failed' && to === 'stopping');
        assert.ok(!backwards || known, `${at} -> ${to}`);
        assert.notEqual(to, at);
        at = to;
      }
    }),
  );
});
