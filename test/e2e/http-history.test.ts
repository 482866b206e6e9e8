import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Api, apiWith, signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { follow, newUser, refused } from './http.support.ts';

interface History {
  from: string;
  to: string;
  stepSeconds: number;
  nodes: { name: string; points: [number, number, number, number][] }[];
}
interface Metrics {
  from: string;
  to: string;
  stepSeconds: number;
  series: { replica: string; points: [number, number, number][] }[];
}

/** Figures are recorded every 10 s. */
const RECORDED = { deadlineMs: 45_000, everyMs: 250 };
const HOUR = 3_600_000;

describe('what machines and instances used over time', () => {
  let home: Home;
  let platform: TestPlatform;
  let admin: Api;
  let alice: Api;

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home, flags: ['--nodes', '2'] });
    admin = await signIn(platform.url);
    alice = await newUser(platform.url, admin, 'Alice', 'user');
    await admin.provide(webApp('web'));
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    home.remove();
  });

  /** What is the same of every history: the span, whole steps, percentages. */
  function assertHistory({ from, to, stepSeconds }: History | Metrics, points: readonly number[][]): void {
    const [begin, end] = [Date.parse(from), Date.parse(to)];
    assert.ok(Math.abs(end - Date.now()) < 60_000 && end - begin >= HOUR && end - begin < HOUR + 10_000, from);
    assert.equal(stepSeconds, 10);
    let last = 0;
    for (const [at = 0, ...values] of points) {
      assert.ok(at > last && at >= begin && at <= end && at % 10_000 === 0, String(at));
      last = at;
      for (const value of values) assert.ok(value >= 0 && value <= 1000, String(value));
    }
  }

  test('the machines’ last hour is read from the node manager and through the one door', async () => {
    const nodeManager = apiWith(`http://127.0.0.1:${home.slot.port + 3}`, admin.token);
    await nodeManager.get('/nodes');
    assert.equal(await (await nodeManager.request('POST', '/nodemgr/log')).text(), 'Success');
    for (const read of [
      () => nodeManager.get<History>('/nodes/history'),
      () => alice.get<History>('/api/nodes/history/'),
    ]) {
      const history = await eventually(async () => {
        const known = await read();
        return known.nodes.every(({ points }) => points.length > 0) ? known : null;
      }, RECORDED);
      assert.deepEqual(
        history.nodes.map(({ name }) => name),
        ['node1', 'node2'],
      );
      for (const { points } of history.nodes) assertHistory(history, points);
      assert.equal(history.nodes[0]?.points[0]?.length, 4);
    }
  });

  test('an instance’s last hour is there while it runs, with the replicas that are gone, and after its stop', async () => {
    await alice.deploy('web', { instanceName: 'measured', scale: { min: 2, max: 2 } });
    await alice.reaches('measured', 'running');
    const metrics = (): Promise<Metrics> => alice.get('/api/deployedApps/measured/metrics');
    const both = await eventually(async () => {
      const known = await metrics();
      return known.series.length === 2 ? known : null;
    }, RECORDED);
    assert.deepEqual(
      both.series.map(({ replica }) => replica),
      ['measured_instance_1', 'measured_instance_2'],
    );
    for (const { points } of both.series) {
      assertHistory(both, points);
      assert.equal(points[0]?.length, 3);
      assert.ok(Number(points[0]?.[2]) > 0, 'it uses some memory');
    }
    await alice.stop('measured');
    await alice.reaches('measured', 'stopped');
    assert.equal((await metrics()).series.length, 2);

    // Another user may take the name, and does not see what was before.
    const bob = await newUser(platform.url, admin, 'Bob', 'user');
    await bob.deploy('web', { instanceName: 'measured' });
    await bob.reaches('measured', 'running');
    const own = await bob.get<Metrics>('/api/deployedApps/measured/metrics');
    const begun = Date.parse((await bob.get<{ createdAt: string }>('/api/deployedApps/measured')).createdAt);
    for (const { points } of own.series) assert.ok(points.every(([at]) => at >= begun - 10_000));
    assert.ok(!own.series.some(({ replica }) => replica === 'measured_instance_2'));
    await refused(await alice.request('GET', '/api/deployedApps/measured/metrics'), 404, 'AVK_NOT_FOUND');
    await bob.stop('measured');
    await bob.reaches('measured', 'stopped');
  });

  test('the live stream brings the machines and what one’s own instances use, about once a second', async () => {
    const bob = await newUser(platform.url, admin, 'Ben', 'user');
    await alice.deploy('web', { instanceName: 'live' });
    const { replicas } = await alice.reaches('live', 'running');
    const [hers, his] = await Promise.all([alice, bob].map((one) => follow(one, platform.url, '/api/events/stream')));
    assert.ok(hers && his);
    try {
      const begin = performance.now();
      const count = (event: string): number => hers.events.filter((sent) => sent.event === event).length;
      await eventually(() => count('nodes') >= 4 && count('usage') >= 4);
      const took = performance.now() - begin;
      assert.ok(took > 2500, `four in ${took} ms`);
      const last = (of: typeof hers, event: string) => of.events.findLast((sent) => sent.event === event)?.data;
      assert.deepEqual(
        Object.keys(last(hers, 'nodes') ?? {}),
        Object.keys(await alice.get<object>('/api/nodes/')),
        'as GET /api/nodes/ has it',
      );
      const { instances } = last(hers, 'usage') as { instances: { instanceName: string; replicas: object[] }[] };
      assert.deepEqual(
        instances.map(({ instanceName }) => instanceName),
        ['live'],
      );
      const [replica] = instances[0]?.replicas ?? [];
      assert.deepEqual(Object.keys(replica ?? {}).sort(), ['cpuPercent', 'id', 'memoryPercent', 'name', 'state']);
      assert.equal((replica as { id?: string }).id, replicas[0]?.id);
      assert.deepEqual(last(his, 'usage'), { instances: [] }, 'nothing of another user’s');
      const { nodes } = last(his, 'nodes') as { nodes: object[] };
      assert.equal(nodes.length, 2);
    } finally {
      hers.close();
      his.close();
    }
    await alice.stop('live');
    await alice.reaches('live', 'stopped');
  });

  test('spans are chosen by from and to; what is no span is refused, naming it', async () => {
    await alice.deploy('web', { instanceName: 'spans' });
    await alice.reaches('spans', 'running');
    for (const path of ['/api/nodes/history/', '/api/deployedApps/spans/metrics']) {
      const day = await alice.get<History | Metrics>(`${path}?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z`);
      assert.deepEqual(
        [day.from, day.to, day.stepSeconds],
        ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z', 300],
      );
      const elsewhere = await alice.get<History>(`${path}?to=2026-01-01T05:30:00%2B05:30`);
      assert.deepEqual([elsewhere.from, elsewhere.to], ['2025-12-31T23:00:00.000Z', '2026-01-01T00:00:00.000Z']);

      for (const bad of ['yesterday', '2026-01-01', '1767225600000', '2026-01-01T05:30:00+05:30', '']) {
        for (const key of ['from', 'to']) {
          const problem = await refused(await alice.request('GET', `${path}?${key}=${bad}`), 400, 'AVK_BAD_REQUEST');
          assert.equal(problem.errors[0]?.path, key);
          assert.match(problem.detail, /expected an RFC 3339 time such as/);
        }
      }
      const backwards = await alice.request('GET', `${path}?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z`);
      const problem = await refused(backwards, 422, 'AVK_UNACCEPTABLE');
      assert.equal(problem.errors[0]?.path, 'from');
      assert.match(problem.detail, /expected a time before to, which is 2026-01-01T00:00:00/);
      const future = await refused(await alice.request('GET', `${path}?from=2999-01-01T00:00:00Z`), 422);
      assert.match(future.detail, /before now/);
      await refused(await fetch(`${platform.url}${path}`), 401);
    }
    await refused(await alice.request('GET', '/api/deployedApps/nothing/metrics'), 404, 'AVK_NOT_FOUND');
    await alice.stop('spans');
    await alice.reaches('spans', 'stopped');
  });
});
