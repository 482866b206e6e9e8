import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AvkError } from '../domain/errors.ts';
import { LinesRefused, type ServiceTransport } from '../ports/service-transport.ts';
import { problemOf } from './http/problem.ts';
import { createServiceClient } from './service-client.ts';

const transport: Partial<ServiceTransport> = {
  // biome-ignore lint/correctness/useYield: it refuses before the first line
  async *lines(service, { path }) {
    const problem = problemOf(new AvkError('AVK_NOT_FOUND', 'web-1 has no replica web-1_instance_9'));
    const headers = { 'content-type': path === '/problem' ? 'application/problem+json' : 'text/html' };
    throw new LinesRefused(service, { status: problem.status, headers, body: JSON.stringify(problem) });
  },
};

async function read(path: string): Promise<unknown[]> {
  const client = createServiceClient(transport as ServiceTransport, async () => 'token');
  const values: unknown[] = [];
  const { signal } = new AbortController();
  for await (const value of client.values('load-balancer', path, { signal })) values.push(value);
  return values;
}

test('values that a service refuses fail with its own error', async () => {
  await assert.rejects(read('/problem'), { code: 'AVK_NOT_FOUND', message: 'web-1 has no replica web-1_instance_9' });
  await assert.rejects(read('/elsewhere'), {
    code: 'AVK_SERVICE_UNAVAILABLE',
    message: 'load-balancer answered 404',
  });
});
