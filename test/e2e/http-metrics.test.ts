import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Api, apiWith, signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { type Home, newHome, ROOT, startPlatform, type TestPlatform } from '../support/platform.ts';
import { follow } from './http.support.ts';

/** Ports with a service of their own, by their place after PORT. */
const PLACES = [0, 2, 3, 4, 8];

describe('metrics', () => {
  let home: Home;
  let platform: TestPlatform;
  let admin: Api;

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home });
    admin = await signIn(platform.url);
    await admin.provide(webApp('web'));
    await admin.deploy('web', { instanceName: 'counted' });
    await admin.reaches('counted', 'running');
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    home.remove();
  });

  async function scrape(place = 0): Promise<Map<string, number>> {
    const response = await apiWith(`http://127.0.0.1:${home.slot.port + place}`, admin.token).request(
      'GET',
      '/metrics',
    );
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
    );
  }

  test('what runs is counted by state, and machines have their figures', async () => {
    const figures = await scrape();
    assert.equal(figures.get('avishkar_instances{state="running"}'), 1);
    assert.equal(figures.get('avishkar_instances{state="failed"}'), 0);
    assert.equal(figures.get('avishkar_replicas{state="healthy"}'), 1);
    assert.equal(figures.get('avishkar_nodes{state="ready"}'), 1);
    for (const part of ['cpu', 'memory', 'disk']) {
      const ratio = figures.get(`avishkar_node_${part}_ratio{node="node1"}`) ?? -1;
      assert.ok(ratio >= 0 && ratio <= 1, `${part} ${ratio}`);
    }
    assert.ok((figures.get('avishkar_process_resident_memory_bytes') ?? 0) > 50_000_000);
    assert.ok((figures.get('avishkar_process_cpu_seconds_total') ?? 0) > 0.1);
    assert.ok((figures.get('avishkar_process_uptime_seconds') ?? 0) > 0.1);
    for (const quantile of ['0.5', '0.99', '1']) {
      const lag = figures.get(`avishkar_event_loop_lag_seconds{quantile="${quantile}"}`) ?? -1;
      assert.ok(lag >= 0 && lag < 10, `${quantile}: ${lag}`);
    }
  });

  test('a deployment shows in the messages and the steps that it took', async () => {
    const figures = await scrape();
    const message = (service: string, verb: string): number | undefined =>
      figures.get(`avishkar_messages_total{service="${service}",verb="${verb}",outcome="handled"}`);
    assert.equal(message('deployment-manager', 'deploy app'), 1);
    assert.equal(message('node-manager', 'give best node'), 1);
    assert.equal(message('application-manager', 'done deployed'), 1);
    for (const step of ['place', 'build', 'start', 'register']) {
      assert.equal(
        figures.get(
          `avishkar_saga_steps_total{service="deployment-manager",kind="deploy",step="${step}",outcome="finished"}`,
        ),
        1,
        step,
      );
      assert.equal(
        figures.get(`avishkar_saga_step_seconds_count{service="deployment-manager",kind="deploy",step="${step}"}`),
        1,
        step,
      );
    }
  });

  test('requests are counted by route and class of status; no path becomes a label, no stream a duration', async () => {
    const route = { service: 'application-manager', method: 'GET', route: '/api/deployedApps/:name' };
    const labels = (own: object): string =>
      `{${Object.entries(own)
        .map(([key, value]) => `${key}="${value}"`)
        .join(',')}}`;
    const requests = (figures: Map<string, number>, own: object): number =>
      figures.get(`avishkar_http_requests_total${labels(own)}`) ?? 0;
    const before = await scrape();
    await admin.instance('counted');
    await admin.request('GET', '/api/deployedApps/nothing');
    for (const path of ['/a-secret-path', '/another']) await admin.request('POST', path, {});
    const stream = await follow(admin, platform.url, '/api/events/stream');
    stream.close();
    await stream.ended;
    const now = await scrape();
    const more = (own: object): number => requests(now, own) - requests(before, own);
    assert.equal(more({ ...route, status: '2xx' }), 1);
    assert.equal(more({ ...route, status: '4xx' }), 1);
    assert.equal(more({ service: route.service, method: 'any', route: 'unknown', status: '4xx' }), 2);
    assert.ok((now.get(`avishkar_http_request_seconds_count${labels(route)}`) ?? 0) >= 2);
    const names = [...now.keys()].join('\n');
    for (const hidden of [
      'secret-path',
      'another',
      'counted',
      'nothing',
      'request_seconds_count{service="load-balancer",method="GET",route="/nodes/stream"',
    ]) {
      assert.ok(!names.includes(hidden), hidden);
    }
    assert.doesNotMatch(names, /request_seconds_\w+\{[^}]*route="\/(api\/events|nodes)\/stream"/);
  });

  test('every port of a process gives the same figures, each with a row in docs/metrics.md', async () => {
    const known = new Set(
      [...readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8').matchAll(/`(avishkar_\w+)`/g)].map(([, name]) => name),
    );
    const nameOf = (series: string): string => series.replace(/\{.*/, '').replace(/_(bucket|sum|count)$/, '');
    const first = new Set([...(await scrape()).keys()].map(nameOf));
    assert.deepEqual(
      [...first].filter((name) => !known.has(name)),
      [],
      'without a row',
    );
    assert.deepEqual(
      [...known].filter((name) => !first.has(String(name))),
      [],
      'in the document alone',
    );
    for (const place of PLACES) assert.deepEqual(new Set([...(await scrape(place)).keys()].map(nameOf)), first);
  });
});
