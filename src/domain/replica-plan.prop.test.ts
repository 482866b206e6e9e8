import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { REPLICA_STATES, type ReplicaState } from './replica.ts';
import {
  crashBackoffMs,
  instanceHealth,
  type PlannedReplica,
  planReplicas,
  type ReplicaAction,
} from './replica-plan.ts';

const NOW = 1_000_000;
const UNHEALTHY_MS = 10_000;
/** Neither on their way out, nor on a machine that does not answer: these are the ones that count. */
const counts = ({ state }: Pick<PlannedReplica, 'state'>): boolean => !['draining', 'stopped', 'lost'].includes(state);

const replicas = fc
  .uniqueArray(
    fc.record({
      number: fc.integer({ min: 1, max: 40 }),
      state: fc.constantFrom(...REPLICA_STATES),
      failures: fc.nat({ max: 10 }),
      retryAt: fc.integer({ min: NOW - 5000, max: NOW + 5000 }),
      since: fc.integer({ min: NOW - 2 * UNHEALTHY_MS, max: NOW }),
    }),
    { selector: ({ number }) => number, maxLength: 15 },
  )
  .map((list) =>
    list.map((one): PlannedReplica => ({ ...one, id: `r${one.number}`, node: 'node1', standing: 'current' })),
  );
const desired = fc.nat({ max: 12 });
const plan = (list: readonly PlannedReplica[], wanted: number): ReplicaAction[] =>
  planReplicas({ desired: wanted, replicas: list, now: NOW, unhealthyMs: UNHEALTHY_MS });

/** What the replicas are once the actions are carried out. */
function applied(list: readonly PlannedReplica[], actions: readonly ReplicaAction[]): PlannedReplica[] {
  const next = list.map((one): PlannedReplica => {
    const action = actions.find((each) => 'id' in each && each.id === one.id);
    if (action?.do === 'drain') return { ...one, state: 'draining', since: NOW };
    if (action?.do === 'restart') return { ...one, state: 'starting', since: NOW };
    return one;
  });
  for (const action of actions) {
    if (action.do !== 'add') continue;
    next.push({
      id: `r${action.number}`,
      number: action.number,
      node: 'node1',
      state: 'starting',
      standing: 'current',
      failures: 0,
      retryAt: 0,
      since: NOW,
    });
  }
  return next;
}

describe('replica plan', () => {
  test('never takes more away than there is too much, and nothing while there is too little', () => {
    fc.assert(
      fc.property(replicas, desired, (list, wanted) => {
        const actions = plan(list, wanted);
        const surplus = list.filter(counts).length - wanted;
        assert.equal(actions.filter((action) => action.do === 'drain').length, Math.max(0, surplus));
        assert.equal(actions.filter((action) => action.do === 'add').length, Math.max(0, -surplus));
      }),
    );
  });

  test('never touches one that is draining, stopped or lost, and none twice', () => {
    fc.assert(
      fc.property(replicas, desired, (list, wanted) => {
        const ids = plan(list, wanted).flatMap((action) => ('id' in action ? [action.id] : []));
        assert.equal(new Set(ids).size, ids.length);
        for (const one of list.filter((each) => !counts(each))) assert.equal(ids.includes(one.id), false);
      }),
    );
  });

  test('carried out, as many are there as are wanted, and there is nothing more to do', () => {
    fc.assert(
      fc.property(replicas, desired, (list, wanted) => {
        const after = applied(list, plan(list, wanted));
        assert.equal(after.filter(counts).length, wanted);
        assert.deepEqual(plan(after, wanted), []);
      }),
    );
  });

  test('numbers are unique, and new ones go on from the highest', () => {
    fc.assert(
      fc.property(replicas, desired, (list, wanted) => {
        const added = plan(list, wanted).flatMap((action) => (action.do === 'add' ? [action.number] : []));
        const highest = Math.max(0, ...list.map(({ number }) => number));
        assert.deepEqual(
          added,
          added.map((_, index) => highest + 1 + index),
        );
        const numbers = applied(list, plan(list, wanted)).map(({ number }) => number);
        assert.equal(new Set(numbers).size, numbers.length);
      }),
    );
  });

  test('no healthy one goes while an ill one stays, and of equals the youngest goes', () => {
    const worth: Partial<Record<ReplicaState, number>> = { 'crash-looping': 1, unhealthy: 2, starting: 3, healthy: 4 };
    fc.assert(
      fc.property(replicas, desired, (list, wanted) => {
        const gone = new Set(plan(list, wanted).flatMap((action) => (action.do === 'drain' ? [action.id] : [])));
        const staying = list.filter((one) => counts(one) && !gone.has(one.id));
        for (const leaving of list.filter(({ id }) => gone.has(id))) {
          for (const one of staying) {
            const [left, right] = [worth[leaving.state] ?? 0, worth[one.state] ?? 0];
            assert.ok(
              left < right || (left === right && leaving.number > one.number),
              `${leaving.id} went before ${one.id}`,
            );
          }
        }
      }),
    );
  });

  test('the ill are mended when it is time, not before', () => {
    fc.assert(
      fc.property(replicas, (list) => {
        const actions = plan(list, list.filter(counts).length);
        for (const one of list) {
          const restart = actions.some((action) => action.do === 'restart' && action.id === one.id);
          const due =
            (one.state === 'crash-looping' && one.retryAt <= NOW) ||
            (one.state === 'unhealthy' && NOW - one.since >= UNHEALTHY_MS);
          assert.equal(restart, due, `${one.id} is ${one.state}`);
        }
      }),
    );
  });

  test('the first is number 1', () =>
    assert.deepEqual(plan([], 2), [
      { do: 'add', number: 1 },
      { do: 'add', number: 2 },
    ]));
});

test('the wait after a failure doubles from 1 s to 60 s', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 6, 7, 8, 1000].map(crashBackoffMs),
    [1000, 1000, 2000, 4000, 32_000, 60_000, 60_000, 60_000],
  );
});

test('running with enough healthy replicas, degraded with the first reason otherwise', () => {
  const of = (state: ReplicaState, reason: string | null = null) => ({ state, reason });
  assert.deepEqual(instanceHealth(1, [of('healthy'), of('lost', 'gone')], null), {
    state: 'running',
    reason: '',
    healthy: 1,
  });
  assert.deepEqual(
    instanceHealth(2, [of('healthy'), of('draining', 'leaving'), of('unhealthy', 'it answered 500')], null),
    {
      state: 'degraded',
      reason: '1 of 2 replicas are healthy: it answered 500',
      healthy: 1,
    },
  );
  assert.deepEqual(instanceHealth(1, [], null), {
    state: 'degraded',
    reason: '0 of 1 replicas are healthy',
    healthy: 0,
  });
});
