import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { counter, countsOf, gauge, histogram, type Metrics } from './metrics.ts';
import { createSagaMeter } from './saga-metrics.ts';

const logged: string[] = [];
const silent = (): void => undefined;
const log = { debug: (_: object, text: string) => void logged.push(text), info: silent, warn: silent, error: silent };

test('a service that is started again goes on with its counters, and its figures are read from the new start', async () => {
  const metrics: Metrics = new Registry();
  const start = (running: number): void => {
    counter(metrics, { name: 'avishkar_test_total', help: 'h', labels: ['kind'] }).inc({ kind: 'a' });
    histogram(metrics, { name: 'avishkar_test_seconds', help: 'h', labels: [], buckets: [1] }).observe(0.5);
    gauge(
      metrics,
      { name: 'avishkar_test', help: 'h', labels: ['state'] },
      () => [{ state: 'up', value: running }],
      log,
    );
  };
  start(1);
  start(2);
  const text = await metrics.metrics();
  assert.match(text, /^avishkar_test_total\{kind="a"\} 2$/m);
  assert.match(text, /^avishkar_test_seconds_count 2$/m);
  assert.match(text, /^avishkar_test\{state="up"\} 2$/m);
});

test('a figure that cannot be read is left out; the others are there', async () => {
  const metrics: Metrics = new Registry();
  let fails = false;
  const about = { name: 'avishkar_test', help: 'h', labels: ['state'] as const };
  const read = async () => {
    if (fails) throw new Error('the tables are closed');
    return countsOf(['up', 'down'], [{ state: 'up', count: 3 }]);
  };
  gauge(metrics, about, read, log);
  counter(metrics, { name: 'avishkar_test_total', help: 'h', labels: [] }).inc();
  assert.match(await metrics.metrics(), /^avishkar_test\{state="up"\} 3\navishkar_test\{state="down"\} 0$/m);
  fails = true;
  const text = await metrics.metrics();
  assert.doesNotMatch(text, /^avishkar_test\{/m);
  assert.match(text, /^avishkar_test_total 1$/m);
  assert.deepEqual(logged, ['a figure could not be read']);
});

test('steps of sagas are counted by how they ended, with how long they took where that is known', async () => {
  const metrics: Metrics = new Registry();
  let now = 0;
  const meter = createSagaMeter(metrics, 'deployer', {
    now: () => assert.fail('wall clock'),
    monotonic: () => now,
    after: () => assert.fail('timer'),
    sleep: () => assert.fail('sleep'),
  });
  const saga = { id: '1', kind: 'deploy' };
  meter(saga, 'build', 'entered');
  now = 2000;
  meter(saga, 'start', 'entered');
  meter(saga, 'build', 'finished');
  now = 2500;
  meter(saga, 'start', 'failed');
  meter(saga, 'start', 'undone');
  meter(saga, 'build', 'undo-failed');
  meter(saga, 'end', 'ended');
  // Entered before a crash.
  meter({ id: '2', kind: 'deploy' }, 'build', 'finished');
  const text = await metrics.metrics();
  const value = (name: string): number =>
    Number(new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (.+)$`, 'm').exec(text)?.[1]);
  const count = (step: string, outcome: string): number =>
    value(`avishkar_saga_steps_total{service="deployer",kind="deploy",step="${step}",outcome="${outcome}"}`);
  assert.deepEqual(
    [count('build', 'finished'), count('start', 'failed'), count('start', 'undone'), count('build', 'undo-failed')],
    [2, 1, 1, 1],
  );
  assert.doesNotMatch(text, /step="end"/);
  assert.equal(value('avishkar_saga_step_seconds_count{service="deployer",kind="deploy",step="build"}'), 1);
  assert.equal(value('avishkar_saga_step_seconds_sum{service="deployer",kind="deploy",step="build"}'), 2);
  assert.equal(value('avishkar_saga_step_seconds_sum{service="deployer",kind="deploy",step="start"}'), 0.5);
});
