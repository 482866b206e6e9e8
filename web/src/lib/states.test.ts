import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InstanceState } from '../api/types.ts';
import { shortName } from './format.ts';
import { isDeploying, isEnded, isServing, machinesOf } from './states.ts';

test('each state is on its way, serves, has ended, or waits or stops', () => {
  const kind = (state: InstanceState): string[] =>
    Object.entries({ isDeploying, isServing, isEnded }).flatMap(([name, holds]) => (holds(state) ? [name] : []));
  for (const state of ['requested', 'placing', 'building', 'starting', 'routing'] as const)
    assert.deepEqual(kind(state), ['isDeploying'], state);
  for (const state of ['running', 'degraded'] as const) assert.deepEqual(kind(state), ['isServing'], state);
  for (const state of ['stopped', 'failed', 'cancelled'] as const) assert.deepEqual(kind(state), ['isEnded'], state);
  for (const state of ['scheduled', 'stopping'] as const) assert.deepEqual(kind(state), [], state);
});

test('an instance is where its replicas are; before there are any, where they are to be', () => {
  assert.deepEqual(machinesOf({ node: 'node1', replicas: [{ node: 'node2' }, { node: 'node1' }, { node: 'node2' }] }), [
    'node1',
    'node2',
  ]);
  assert.deepEqual(machinesOf({ node: 'node1', replicas: [] }), ['node1']);
  assert.deepEqual(machinesOf({ node: null, replicas: [] }), []);
});

test('a replica beside its instance’s name is a number', () => {
  assert.equal(shortName('web-1_instance_12', 'web-1'), '#12');
  assert.equal(shortName('web-10_instance_1', 'web-1'), 'web-10_instance_1');
});
