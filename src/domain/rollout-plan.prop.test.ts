import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { REPLICA_STATES, type ReplicaState } from './replica.ts';
import { type PlannedReplica, planReplicas, type Standing } from './replica-plan.ts';
import { judgeRollout, MOST_FAILED_STARTS, type RolloutInput } from './rollout-plan.ts';

const NOW = 1_000_000;
const UNHEALTHY_MS = 10_000;
const STANDINGS: readonly Standing[] = ['current', 'outdated', 'abandoned'];
const counts = ({ state }: Pick<PlannedReplica, 'state'>): boolean => !['draining', 'stopped', 'lost'].includes(state);
const isHealthy = ({ state }: Pick<PlannedReplica, 'state'>): boolean => state === 'healthy';
const healthyIn = (list: readonly PlannedReplica[]): number => list.filter(isHealthy).length;

const replicas = fc
  .uniqueArray(
    fc.record({
      number: fc.integer({ min: 1, max: 40 }),
      node: fc.constantFrom('node1', 'node2', 'node3'),
      state: fc.constantFrom(...REPLICA_STATES),
      standing: fc.constantFrom(...STANDINGS),
      failures: fc.nat({ max: 5 }),
      retryAt: fc.integer({ min: NOW - 5000, max: NOW + 5000 }),
      since: fc.integer({ min: NOW - 2 * UNHEALTHY_MS, max: NOW }),
    }),
    { selector: ({ number }) => number, maxLength: 12 },
  )
  .map((list) => list.map((one): PlannedReplica => ({ ...one, id: `r${one.number}` })));
const desired = fc.integer({ min: 1, max: 8 });

/** What the replicas are once the plan is carried out. */
function planned(list: readonly PlannedReplica[], wanted: number): PlannedReplica[] {
  const actions = planReplicas({ desired: wanted, replicas: list, now: NOW, unhealthyMs: UNHEALTHY_MS });
  const next = list.map((one): PlannedReplica => {
    const action = actions.find((each) => 'id' in each && each.id === one.id);
    if (!action) return one;
    return { ...one, state: action.do === 'drain' ? 'draining' : 'starting', since: NOW };
  });
  for (const action of actions) if (action.do === 'add') next.push(added(action.number, 'current'));
  return next;
}

function added(number: number, standing: Standing, state: ReplicaState = 'starting'): PlannedReplica {
  return { id: `r${number}`, number, node: 'node1', state, standing, failures: 0, retryAt: 0, since: NOW };
}

/** Everything that may happen between two looks, when nothing crashes. */
type Happening = { do: 'comes up' | 'goes'; pick: number } | { do: 'scale'; to: number } | { do: 'another version' };
const happenings: fc.Arbitrary<Happening[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('comes up' as const), pick: fc.nat({ max: 20 }) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('goes' as const), pick: fc.nat({ max: 20 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('scale' as const), to: desired }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('another version' as const) }) },
  ),
  { maxLength: 60 },
);

interface World {
  wanted: number;
  list: PlannedReplica[];
}

function happen(world: World, event: Happening): World {
  const { list } = world;
  if (event.do === 'scale') return { ...world, wanted: event.to };
  if (event.do === 'another version') {
    // What was wanted until now has not become the app's own version: there is nothing to start it from any more.
    const fallen = (one: PlannedReplica): Standing => (one.standing === 'current' ? 'abandoned' : one.standing);
    return { ...world, list: list.map((one) => ({ ...one, standing: fallen(one) })) };
  }
  const state: ReplicaState = event.do === 'goes' ? 'draining' : 'starting';
  const candidates = list.filter((one) => one.state === state);
  const chosen = candidates[event.pick % Math.max(1, candidates.length)];
  if (!chosen) return world;
  if (event.do === 'goes') return { ...world, list: list.filter((one) => one !== chosen) };
  return { ...world, list: list.map((one) => (one === chosen ? { ...one, state: 'healthy', since: NOW } : one)) };
}

/** So many of the old version, all healthy, and a new version is wanted. */
const beginning = (count: number): World => ({
  wanted: count,
  list: Array.from({ length: count }, (_, index) => added(index + 1, 'outdated', 'healthy')),
});

describe('rolling plan', () => {
  test('no look ever leaves fewer healthy ones than before or than are wanted', () => {
    fc.assert(
      fc.property(replicas, desired, (list, wanted) => {
        const after = planned(list, wanted);
        assert.ok(healthyIn(after) >= Math.min(healthyIn(list), wanted));
      }),
    );
  });

  test('at most one more than wanted is started, and only while there is something to replace', () => {
    fc.assert(
      fc.property(replicas, desired, (list, wanted) => {
        const before = list.filter(counts).length;
        const after = planned(list, wanted).filter(counts);
        const replacing = after.some(({ standing }) => standing !== 'current');
        assert.ok(after.length <= Math.max(before, wanted + (replacing ? 1 : 0)));
      }),
    );
  });

  test('an outdated one that is ill goes at once, and none is ever started again', () => {
    fc.assert(
      fc.property(replicas, desired, (list, wanted) => {
        const after = planned(list, wanted);
        for (const one of list.filter(({ standing }) => standing !== 'current')) {
          const now = after.find(({ id }) => id === one.id);
          if (['unhealthy', 'crash-looping'].includes(one.state)) assert.equal(now?.state, 'draining');
          else if (one.state !== 'draining' && now?.state === 'starting') assert.equal(one.state, 'starting');
        }
      }),
    );
  });

  test('with scaling and newer versions in between, as many stay healthy all the time as were or are wanted', () => {
    fc.assert(
      fc.property(desired, happenings, (count, events) => {
        let world = beginning(count);
        for (const event of events) {
          const before = healthyIn(world.list);
          world = happen(world, event);
          const list = planned(world.list, world.wanted);
          assert.ok(healthyIn(list) >= Math.min(before, world.wanted), JSON.stringify({ event, list }));
          world = { ...world, list };
        }
      }),
    );
  });

  test('it ends, with all of them current', () => {
    fc.assert(
      fc.property(desired, happenings, (count, events) => {
        let world = beginning(count);
        for (const event of events) {
          world = happen(world, event);
          world = { ...world, list: planned(world.list, world.wanted) };
        }
        const done = ({ list, wanted }: World): boolean =>
          list.length === wanted && list.every((one) => one.standing === 'current' && isHealthy(one));
        for (let turn = 0; turn < 100 && !done(world); turn += 1) {
          for (const event of [
            { do: 'comes up', pick: turn },
            { do: 'goes', pick: turn },
          ] as const) {
            world = happen(world, event);
          }
          world = { ...world, list: planned(world.list, world.wanted) };
        }
        assert.ok(done(world), JSON.stringify(world));
      }),
    );
  });

  test('a single replica is joined by its successor before it goes', () => {
    const first = planned([added(1, 'outdated', 'healthy')], 1);
    assert.deepEqual(
      first.map(({ number, state }) => [number, state]),
      [
        [1, 'healthy'],
        [2, 'starting'],
      ],
    );
    assert.deepEqual(planned(first, 1), first, 'it waits');
    const up = first.map((one): PlannedReplica => ({ ...one, state: 'healthy' }));
    assert.deepEqual(
      planned(up, 1).map(({ state }) => state),
      ['draining', 'healthy'],
    );
  });

  test('of several outdated ones the first to go is where most of them are', () => {
    const on = (number: number, node: string): PlannedReplica => ({ ...added(number, 'outdated', 'healthy'), node });
    const list = [on(1, 'node1'), on(2, 'node2'), on(3, 'node2'), added(4, 'current', 'healthy')];
    const after = planned(list, 3);
    assert.deepEqual(
      after.filter(({ state }) => state === 'draining').map(({ number }) => number),
      [2],
    );
  });
});

describe('verdict on a rollout', () => {
  const one = (generation: number, state: ReplicaState, more: { failures?: number; reason?: string } = {}) => ({
    generation,
    state,
    node: 'node1',
    failures: more.failures ?? 0,
    reason: more.reason ?? null,
  });
  const judge = (change: Partial<RolloutInput>) =>
    judgeRollout({
      generation: 2,
      desired: 2,
      replicas: [],
      reached: 0,
      reachedAt: NOW,
      now: NOW,
      limitMs: 60_000,
      unplaced: null,
      ...change,
    });

  test('it is done when all are of the new version, enough of them healthy; those that drain do not count', () => {
    const both = [one(2, 'healthy'), one(2, 'healthy'), one(1, 'draining')];
    assert.deepEqual(judge({ replicas: both }), { is: 'done' });
    assert.deepEqual(judge({ replicas: [...both, one(1, 'healthy')] }), { is: 'under way', reached: 2 });
    assert.deepEqual(judge({ replicas: [one(2, 'healthy'), one(2, 'starting')] }), { is: 'under way', reached: 1 });
  });

  test('it has failed when one of the new version failed to start so often, with its reason', () => {
    const failing = (failures: number) => [
      one(1, 'healthy'),
      one(2, 'crash-looping', { failures, reason: 'starting on node1: the app exited with code 7' }),
    ];
    assert.equal(judge({ replicas: failing(MOST_FAILED_STARTS - 1) }).is, 'under way');
    assert.deepEqual(judge({ replicas: failing(MOST_FAILED_STARTS) }), {
      is: 'failed',
      reason: 'starting on node1: the app exited with code 7',
    });
    const old = one(1, 'crash-looping', { failures: 50, reason: 'the old one is ill' });
    assert.equal(judge({ replicas: [old, one(2, 'starting')] }).is, 'under way');
  });

  test('it has failed when nothing more became healthy for too long, with what is known of it', () => {
    const late = { now: NOW + 60_000, replicas: [one(1, 'healthy'), one(1, 'healthy')] };
    assert.deepEqual(judge(late), { is: 'failed', reason: '0 of 2 replicas became healthy within 60 s' });
    assert.deepEqual(judge({ ...late, unplaced: 'no machine can take it: node1 is draining' }), {
      is: 'failed',
      reason: '0 of 2 replicas became healthy within 60 s: no machine can take it: node1 is draining',
    });
    const ill = [one(1, 'healthy'), one(2, 'unhealthy', { reason: 'health check got 500 at /health' })];
    assert.deepEqual(judge({ ...late, replicas: ill, unplaced: 'nowhere' }), {
      is: 'failed',
      reason: '0 of 2 replicas became healthy within 60 s: running on node1: health check got 500 at /health',
    });
    assert.equal(judge({ ...late, now: NOW + 59_999 }).is, 'under way');
    const progress = [one(1, 'healthy'), one(2, 'healthy')];
    assert.deepEqual(judge({ ...late, replicas: progress }), { is: 'under way', reached: 1 });
    assert.equal(judge({ ...late, replicas: progress, reached: 1 }).is, 'failed', 'what was reached before is no news');
  });
});
