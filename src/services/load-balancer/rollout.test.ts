import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type Balancer, type BalancerLab, balancerLab, specOfApp } from '../../../test/support/balancer-lab.ts';
import { eventually } from '../../../test/support/eventually.ts';
import type { InstanceSpec } from '../../domain/instance.ts';
import type { Route } from '../../ports/reverse-proxy.ts';

interface View {
  generation: number;
  endpoint: string;
  replicas: { id: string; generation: number; node: string; state: string; reason?: string }[];
}

const NAME = 'web-1';

describe('rolling out', () => {
  let lab: BalancerLab;
  let balancer: Balancer;

  beforeEach(async () => {
    lab = await balancerLab(['node1', 'node2', 'node3']);
    balancer = await lab.start();
  });
  afterEach(async () => {
    await balancer.stop();
    await lab.cleanup();
  });

  const view = (): Promise<View> => balancer.call<View>('GET', `/instances/${NAME}`);
  const rollout = (spec: InstanceSpec): Promise<unknown> =>
    balancer.call('POST', `/instances/${NAME}/rollout`, { spec });
  const scaled = (count: number, change: Record<string, unknown> = {}): InstanceSpec =>
    specOfApp(NAME, { scale: { min: count, max: count, cpuPercent: 80, memoryPercent: 75 }, ...change });

  async function running(count: number): Promise<View> {
    await balancer.register(scaled(count));
    return steady(count, 1);
  }

  /** Waits until there are exactly so many replicas, all healthy and of that generation. */
  async function steady(count: number, generation: number): Promise<View> {
    return eventually(async () => {
      const now = await view();
      const fine = now.replicas.every((one) => one.state === 'healthy' && one.generation === generation);
      return fine && now.replicas.length === count && now.generation === generation ? now : null;
    });
  }

  /** The fewest and the most replicas that the route ever led to since it was cleared. */
  function routed(): [number, number] {
    const counts = lab.applied.map((routes) => routes[0]?.upstreams.length ?? 0);
    return [Math.min(...counts), Math.max(...counts)];
  }

  for (const count of [1, 3]) {
    test(`${count} replicas are replaced one by one, never fewer in the route, at most one more`, async () => {
      const before = await running(count);
      lab.applied.length = 0;
      await rollout(scaled(count, { version: '2.0.0', generation: 2 }));
      const after = await steady(count, 2);
      assert.equal(after.endpoint, before.endpoint);
      const [fewest, most] = routed();
      assert.equal(fewest, count);
      assert.ok(most <= count + 1, `the route led to ${most}`);
      await eventually(() => lab.containers.size === count);
      for (const { image, generation } of lab.containers.values()) {
        assert.deepEqual([image, generation], ['app:2.0.0', 2]);
      }
      const news = await lab.told('rollout app');
      assert.deepEqual(news.map(({ fields }) => fields.state).at(-1), 'done');
      assert.deepEqual(
        news.filter(({ fields }) => fields.state === 'under way').map(({ fields }) => fields.reason),
        Array.from({ length: news.length - 1 }, (_, index) => `${index + 1} of ${count} replicas run 2.0.0`),
      );
    });
  }

  test('a new version is told to run only when the route leads to the old one no more', async () => {
    const [old] = (await running(1)).replicas;
    const leadsTo = (route: Route | undefined): string[] =>
      route?.upstreams.map(({ ip, port }) => `${ip}:${port}`) ?? [];
    const [before = ''] = leadsTo(lab.applied.at(-1)?.[0]);
    const goOn = lab.pauseProxy(([route]) => !leadsTo(route).includes(before));
    try {
      await rollout(scaled(1, { version: '2.0.0', generation: 2 }));
      const meanwhile = await eventually(async () => {
        const now = await view();
        return now.replicas.some(({ id, state }) => id === old?.id && state === 'draining') ? now : null;
      });
      assert.equal(meanwhile.generation, 1);
      assert.ok((await lab.told('rollout app')).every(({ fields }) => fields.state !== 'done'));
    } finally {
      goOn();
    }
    await steady(1, 2);
    await eventually(async () => (await lab.told('rollout app')).some(({ fields }) => fields.state === 'done'));
  });

  test('one that is heard of twice, or late, begins once', async () => {
    await running(1);
    const second = scaled(1, { version: '2.0.0', generation: 2 });
    const third = scaled(1, { version: '3.0.0', generation: 3 });
    lab.sick.add('app:2.0.0');
    await rollout(second);
    await rollout(third);
    await rollout(second);
    await steady(1, 3);
    await rollout(third);
    await rollout(second);
    lab.applied.length = 0;
    await balancer.call('POST', `/instances/${NAME}/scale`, { generation: 3, min: 2, max: 2 });
    await steady(2, 3);
    const done = (await lab.told('rollout app')).filter(({ fields }) => fields.state === 'done');
    assert.deepEqual(
      done.map(({ data }) => data.generation),
      [3],
    );
  });

  test('what does not become healthy is taken back by itself, with the reason and the last lines', async () => {
    const before = await running(3);
    lab.sick.add('app:2.0.0');
    lab.applied.length = 0;
    const manifest = { health: { path: '/health', startSeconds: 1, timeoutSeconds: 1 } };
    await rollout(scaled(3, { version: '2.0.0', generation: 2, manifest }));
    const [told] = await eventually(
      async () => {
        const news = await lab.told('rollout app');
        return news.length > 0 ? news : null;
      },
      { deadlineMs: 30_000 },
    );
    assert.equal(told?.fields.state, 'rolled back');
    assert.match(told?.fields.reason ?? '', /health check got 500 at \/health; last log line: about to be ill/);
    assert.deepEqual(told?.data.lastLogLines, ['about to be ill']);
    const after = await steady(3, 1);
    assert.deepEqual(
      after.replicas.map(({ id }) => id),
      before.replicas.map(({ id }) => id),
      'the old ones were not touched',
    );
    assert.deepEqual(routed(), [3, 3]);
  });

  test('what cannot be built is taken back at the first try', async () => {
    await running(1);
    lab.unbuildable.add('app:2.0.0');
    await rollout(scaled(1, { version: '2.0.0', generation: 2 }));
    const [told] = await eventually(async () => {
      const news = await lab.told('rollout app');
      return news.length > 0 ? news : null;
    });
    assert.deepEqual(
      [told?.fields.state, told?.fields.reason],
      ['rolled back', 'building on node2: npm ended with 1; last log line: no such package'],
    );
    await steady(1, 1);
  });

  test('a withdrawn one is taken back; one that was not heard of yet never begins', async () => {
    await running(2);
    lab.sick.add('app:2.0.0');
    await rollout(scaled(2, { version: '2.0.0', generation: 2 }));
    await eventually(async () => (await view()).replicas.length === 3);
    await balancer.call('POST', `/instances/${NAME}/rollout/withdraw`, { generation: 2 });
    await steady(2, 1);
    const told = await lab.told('rollout app');
    assert.deepEqual(
      told.map(({ fields }) => [fields.state, fields.reason]),
      [['rolled back', 'cancelled on request']],
    );
    await balancer.call('POST', `/instances/${NAME}/rollout/withdraw`, { generation: 3 });
    await rollout(scaled(2, { version: '3.0.0', generation: 3 }));
    await rollout(scaled(2, { version: '4.0.0', generation: 4 }));
    await steady(2, 4);
    assert.ok(![...lab.started].some((image) => image === 'app:3.0.0'), 'it was never started');
  });

  test('it goes on after a restart, and scaling meanwhile counts', async () => {
    await running(3);
    lab.sick.add('app:2.0.0');
    await rollout(scaled(3, { version: '2.0.0', generation: 2 }));
    await eventually(async () => (await view()).replicas.some(({ generation }) => generation === 2));
    await balancer.call('POST', `/instances/${NAME}/scale`, { generation: 1, min: 2, max: 2 });
    await balancer.stop();
    lab.applied.length = 0;
    balancer = await lab.start();
    lab.sick.clear();
    await steady(2, 2);
    const [fewest] = routed();
    assert.ok(fewest >= 2, `the route led to ${fewest}`);
  });

  test('what is ill of the old version is replaced at once', async () => {
    const { replicas } = await running(3);
    const ill = replicas[0]?.id ?? '';
    lab.crash(ill);
    lab.unstartable.add('app:1.0.0');
    await eventually(async () => (await view()).replicas.find(({ id }) => id === ill)?.state === 'crash-looping');
    await rollout(scaled(3, { version: '2.0.0', generation: 2 }));
    await steady(3, 2);
  });

  test('an app that was stopped meanwhile is not rolled out', async () => {
    await running(1);
    await balancer.call('POST', `/deregisterApp?appName=${NAME}&keepImage=true`);
    await assert.rejects(rollout(scaled(1, { version: '2.0.0', generation: 2 })), /404/);
  });
});
