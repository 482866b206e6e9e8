import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { planLosses } from './loss-plan.ts';
import { NODE_STATES } from './node.ts';
import { REPLICA_STATES } from './replica.ts';

const input = fc.record({
  replicas: fc
    .array(fc.record({ node: fc.constantFrom('VM1', 'VM2', 'VM3', 'gone'), state: fc.constantFrom(...REPLICA_STATES) }))
    .map((rows) => rows.map((row, index) => ({ ...row, id: `r${index}` }))),
  nodes: fc
    .tuple(...['VM1', 'VM2', 'VM3'].map((name) => fc.constantFrom(...NODE_STATES).map((state) => ({ name, state }))))
    .map((nodes) => [...nodes]),
  desired: fc.integer({ min: 0, max: 5 }),
});

test('replicas are lost with their machine alone, and with none left to go to not at all', () => {
  fc.assert(
    fc.property(input, (given) => {
      const { lost } = planLosses(given);
      const state = (node: string): string | undefined => given.nodes.find(({ name }) => name === node)?.state;
      for (const { id } of lost) {
        const replica = given.replicas.find((each) => each.id === id);
        assert.equal(state(replica?.node ?? ''), 'lost');
      }
      if (!given.nodes.some((node) => node.state === 'ready')) assert.equal(lost.length, 0);
    }),
  );
});

test('what comes back with its machine is never more than is wanted', () => {
  fc.assert(
    fc.property(input, (given) => {
      const { lost, back, over } = planLosses(given);
      const gone = new Set([...lost.map(({ id }) => id), ...over]);
      const counting = given.replicas.filter(
        ({ id, state }) => ['starting', 'healthy', 'unhealthy', 'crash-looping'].includes(state) && !gone.has(id),
      );
      if (back.length > 0) assert.ok(counting.length + back.length <= given.desired);
      for (const id of back) assert.equal(given.replicas.find((each) => each.id === id)?.state, 'lost');
    }),
  );
});

test('a decision taken is not taken again', () => {
  fc.assert(
    fc.property(input, (given) => {
      const first = planLosses(given);
      const now = new Map<string, (typeof REPLICA_STATES)[number]>([
        ...first.lost.map(({ id }) => [id, 'lost'] as const),
        ...first.back.map((id) => [id, 'starting'] as const),
        ...first.over.map((id) => [id, 'draining'] as const),
      ]);
      const replicas = given.replicas.map((each) => ({ ...each, state: now.get(each.id) ?? each.state }));
      assert.deepEqual(planLosses({ ...given, replicas }), { lost: [], back: [], over: [] });
    }),
  );
});

test('a replica is lost for the reason that its machine is', () => {
  const replicas = ['VM1', 'VM2'].map((node) => ({ id: node, node, state: 'healthy' as const }));
  const nodes = [
    { name: 'VM1', state: 'lost' as const, reason: 'Docker on VM1 does not answer' },
    { name: 'VM2', state: 'lost' as const, reason: null },
    { name: 'VM3', state: 'ready' as const },
  ];
  assert.deepEqual(planLosses({ replicas, nodes, desired: 2 }).lost, [
    { id: 'VM1', reason: 'Docker on VM1 does not answer' },
    { id: 'VM2', reason: 'VM2 does not answer' },
  ]);
});

test('a lost replica is taken up again when its machine is back before another serves', () => {
  const replicas = [{ id: 'a', node: 'VM1', state: 'lost' as const }];
  const nodes = [
    { name: 'VM1', state: 'ready' as const },
    { name: 'VM2', state: 'ready' as const },
  ];
  assert.deepEqual(planLosses({ replicas, nodes, desired: 1 }).back, ['a']);
  const successor = { id: 'b', node: 'VM2', state: 'healthy' as const };
  assert.deepEqual(planLosses({ replicas: [...replicas, successor], nodes, desired: 1 }).over, ['a']);
});
