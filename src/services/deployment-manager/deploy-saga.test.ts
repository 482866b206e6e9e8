import assert from 'node:assert/strict';
import { test } from 'node:test';
import { specOfApp } from '../../../test/support/balancer-lab.ts';
import { AvkError, type ErrorCode } from '../../domain/errors.ts';
import type { Unit } from '../../kernel/messenger.ts';
import { type DeployContext, type DeploySagaDeps, deployContextSchema, deploySaga } from './deploy-saga.ts';
import type { DeploymentManagerTables } from './store.ts';

const saga = deploySaga({} as DeploySagaDeps);
const first = deployContextSchema.parse({ spec: specOfApp('web-1'), replicaId: 'r' });

/** Where a deployment that was given this machine goes on when the step fails there; null: nowhere. */
function failsOn(context: DeployContext, node: string, step: 'build' | 'start', code: ErrorCode): DeployContext | null {
  const found = saga.steps.find(({ name }) => name === step);
  const given = { ...context, node };
  const next = found?.recover?.(new AvkError(code, 'it does not work there'), given);
  // As it is journaled.
  return next ? deployContextSchema.parse(JSON.parse(JSON.stringify({ ...given, ...next.context }))) : null;
}

/** What is asked of the node manager. */
async function asked(context: DeployContext): Promise<Record<string, unknown> | undefined> {
  const sent: { verb: string; data: Record<string, unknown> }[] = [];
  const unit = {
    send: (_to: string, verb: string, _fields: object, _id: string, data: Record<string, unknown> = {}) =>
      sent.push({ verb, data }),
  } as unknown as Unit<DeploymentManagerTables>;
  await saga.steps[0]?.enter?.(unit, context, { id: 's', kind: 'deploy', subject: 'web-1', requestId: 'q' });
  return sent.find(({ verb }) => verb === 'give best node')?.data;
}

test('a deployment asks for other machines than those on which it failed', async () => {
  assert.deepEqual((await asked(first))?.avoid, []);
  const second = failsOn(first, 'VM1', 'build', 'AVK_HOST_UNREACHABLE');
  assert.ok(second);
  assert.partialDeepStrictEqual(await asked(second), { attempt: 1, avoid: ['VM1'] });
  const third = failsOn(second, 'VM2', 'start', 'AVK_DISK_FULL');
  assert.ok(third);
  assert.partialDeepStrictEqual(await asked(third), { attempt: 2, avoid: ['VM1', 'VM2'] });
  assert.equal(failsOn(third, 'VM3', 'start', 'AVK_HOST_UNREACHABLE'), null, 'three times and no more');
});

test('a machine of which only a port or an image was gone may be tried again', async () => {
  for (const code of ['AVK_PORT_TAKEN', 'AVK_IMAGE_MISSING'] as const) {
    const next = failsOn(first, 'VM1', 'start', code);
    assert.ok(next);
    assert.partialDeepStrictEqual(await asked(next), { attempt: 1, avoid: [] });
  }
});

test('a machine that failed twice is named once', () => {
  const second = failsOn(first, 'VM1', 'build', 'AVK_HOST_UNREACHABLE');
  assert.ok(second);
  assert.deepEqual(failsOn(second, 'VM1', 'start', 'AVK_HOST_UNREACHABLE')?.avoid, ['VM1']);
});
