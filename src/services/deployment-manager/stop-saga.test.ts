import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { eventually } from '../../../test/support/eventually.ts';
import { kernelLab, type LabTables } from '../../../test/support/kernel-lab.ts';
import { systemClock } from '../../adapters/clock/system.ts';
import { AvkError } from '../../domain/errors.ts';
import { parseEnvelope } from '../../domain/message.ts';
import type { SagaDefinition } from '../../kernel/saga-definition.ts';
import { type StopContext, stopSaga } from './stop-saga.ts';

test('a stop that fails says why and begins anew under the same request, after a pause', async () => {
  const kernel = await kernelLab(1);
  const service = await kernel.service({ service: 'deployment-manager' });
  const told: string[] = [];
  const listening = await kernel.bus.subscribe({
    topics: ['first_topic'],
    group: 'test',
    handler: async ({ value }) => {
      const { msg, request_id: requestId } = parseEnvelope(value);
      told.push(`${requestId}: ${msg}`);
    },
  });
  const pauses: number[] = [];
  const problems = ['VM1 does not answer', 'VM1 still does not answer'];
  const definition = stopSaga({
    client: {
      async call() {
        const problem = problems.shift();
        if (problem) throw new AvkError('AVK_INTERNAL', problem, { retryable: false });
        return 'Success' as never;
      },
      values: () => assert.fail('a stop follows nothing'),
    },
    clock: { ...systemClock, sleep: async (ms) => void pauses.push(ms) },
    again: (unit, { subject, requestId }, context) =>
      service.sagas.begin(unit as never, 'stop', { id: randomUUID(), subject, requestId }, context),
  });
  service.sagas.define(definition as unknown as SagaDefinition<StopContext, LabTables>);
  try {
    await service.messenger.start();
    await service.sagas.start();
    const context: StopContext = { cancelled: false, stopSeconds: 1 };
    const saga = { id: randomUUID(), subject: 'web-1', requestId: 'r1' };
    await service.messenger.transaction((unit) => service.sagas.begin(unit, 'stop', saga, context));
    await eventually(() => told.length === 3);
    assert.deepEqual(told, [
      'r1: error stop$web-1$VM1 does not answer',
      'r1: error stop$web-1$VM1 still does not answer',
      'r1: done stopped$web-1',
    ]);
    assert.deepEqual(pauses, [15_000, 15_000]);
  } finally {
    await service.stop();
    await listening.stop();
    await kernel.cleanup();
  }
});
