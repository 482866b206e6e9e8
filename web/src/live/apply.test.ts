import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { QueryClient } from '@tanstack/react-query';
import type { Instance, InstanceNews, Replica } from '../api/types.ts';
import { applyNews, applyPlatform, applyUsage } from './apply.ts';

const replica = (id: string, more: Partial<Replica> = {}) =>
  ({ id, name: id, state: 'healthy', cpuPercent: 1, memoryPercent: 1, ...more }) as Replica;
const web = { instanceName: 'web-1', state: 'starting', replicas: [replica('a')] } as Instance;
const news: InstanceNews = { instance: 'web-1', state: 'failed', at: 'then', kind: 'failed', text: 'exit code 7' };

function known(t: TestContext): QueryClient {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const client = new QueryClient();
  client.setQueryData(['instances'], [web], { updatedAt: 1 });
  client.setQueryData(['instance', 'web-1'], web, { updatedAt: 1 });
  t.after(() => client.clear());
  return client;
}

test('news are seen at once, and the rest is asked for again', (t) => {
  const client = known(t);
  client.setQueryData(['events', 'web-1'], []);
  applyNews(client, news);
  applyNews(client, news);
  assert.equal(client.getQueryData<Instance[]>(['instances'])?.[0]?.state, 'failed');
  const seen = client.getQueryData<Instance>(['instance', 'web-1']);
  assert.deepEqual([seen?.state, seen?.reason], ['failed', 'exit code 7']);
  assert.equal(client.getQueryData<object[]>(['events', 'web-1'])?.length, 1);
  t.mock.timers.tick(1000);
  assert.equal(client.getQueryState(['instances'])?.isInvalidated, true);
  assert.equal(client.getQueryState(['instance', 'web-1'])?.isInvalidated, true);
});

test('figures that come every second do not make what is out of date look new', (t) => {
  const client = known(t);
  applyNews(client, news);
  t.mock.timers.tick(1000);
  applyUsage(client, [{ instanceName: 'web-1', replicas: [replica('a', { cpuPercent: 50 })] }]);
  assert.equal(client.getQueryData<Instance>(['instance', 'web-1'])?.replicas[0]?.cpuPercent, 50);
  for (const key of [['instances'], ['instance', 'web-1']]) {
    const state = client.getQueryState(key);
    assert.deepEqual([state?.isInvalidated, state?.dataUpdatedAt], [true, 1], String(key));
  }
});

test('a replica that is not known yet is asked for', (t) => {
  const client = known(t);
  applyUsage(client, [{ instanceName: 'web-1', replicas: [replica('a'), replica('b')] }]);
  t.mock.timers.tick(1000);
  assert.equal(client.getQueryState(['instances'])?.isInvalidated, true);
});

test('what was never read is not made up', (t) => {
  const client = known(t);
  applyPlatform(client, { status: 'stopped' });
  assert.equal(client.getQueryData(['platform']), undefined);
});
