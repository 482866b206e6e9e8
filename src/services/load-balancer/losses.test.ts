import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BalancerLab, balancerLab, specOfApp } from '../../../test/support/balancer-lab.ts';
import { eventually } from '../../../test/support/eventually.ts';

interface View {
  replicas: { id: string; node: string; state: string }[];
}
type Balancer = Awaited<ReturnType<BalancerLab['start']>>;

const NAME = 'web-1';
const scale = (count: number) => ({ scale: { min: count, max: count, cpuPercent: 80, memoryPercent: 75 } });

async function withLab(
  fn: (lab: BalancerLab, balancer: Balancer, replicas: () => Promise<View['replicas']>) => Promise<void>,
  ...options: Parameters<typeof balancerLab>
): Promise<void> {
  const lab = await balancerLab(...options);
  const balancer = await lab.start();
  try {
    await fn(lab, balancer, async () => (await balancer.call<View>('GET', `/instances/${NAME}`)).replicas);
  } finally {
    await balancer.stop();
    await lab.cleanup();
  }
}

const healthyOn = (replicas: View['replicas']): string[] =>
  replicas
    .filter(({ state }) => state === 'healthy')
    .map(({ node }) => node)
    .sort();

test('replicas of a lost machine come up elsewhere, and are not missed when it is back', () =>
  withLab(
    async (lab, balancer, replicas) => {
      await balancer.register(specOfApp(NAME, scale(2)), 'VM1');
      await eventually(async () => healthyOn(await replicas()).join() === 'VM1,VM2');
      const [before] = (await replicas()).filter(({ node }) => node === 'VM2');
      lab.nodeBecomes('VM2', 'lost');
      await eventually(async () => healthyOn(await replicas()).join() === 'VM1,VM3');
      assert.equal((await replicas()).find(({ id }) => id === before?.id)?.state, 'lost');
      const upstreams = await eventually(() => {
        const found = lab.applied.at(-1)?.[0]?.upstreams;
        return found?.length === 2 ? found : null;
      });
      assert.equal(upstreams.length, 2, 'no route leads to the lost one');
      lab.nodeBecomes('VM2', 'ready');
      await eventually(async () => (await replicas()).length === 2 && !lab.containers.has(before?.id ?? ''));
      assert.equal(healthyOn(await replicas()).join(), 'VM1,VM3', 'a machine that comes and goes moves nothing twice');
    },
    ['VM1', 'VM2', 'VM3'],
  ));

test('replicas on a machine that was let go of come up elsewhere, also when it was not seen lost before', () =>
  withLab(
    async (lab, balancer, replicas) => {
      await balancer.register(specOfApp(NAME, scale(2)), 'VM1');
      await eventually(async () => healthyOn(await replicas()).join() === 'VM1,VM2');
      await lab.letGoOf('VM2');
      await eventually(async () => (await replicas()).map(({ node }) => node).join() === 'VM1,VM3');
      assert.equal(healthyOn(await replicas()).join(), 'VM1,VM3');
    },
    ['VM1', 'VM2', 'VM3'],
  ));

test('replicas that have nowhere to go are taken up again when their machine is back', () =>
  withLab(
    async (lab, balancer, replicas) => {
      const large = { manifest: { resources: { cpus: 1, memoryMb: 60_000 } } };
      await balancer.register(specOfApp(NAME, { ...scale(1), ...large }), 'VM1');
      await eventually(async () => healthyOn(await replicas()).join() === 'VM1');
      const [before] = await replicas();
      lab.nodeBecomes('VM1', 'lost');
      await eventually(async () => (await replicas()).some(({ state }) => state === 'lost'));
      assert.equal(lab.applied.at(-1)?.[0]?.upstreams.length, 1, 'it may well serve on');
      lab.nodeBecomes('VM1', 'ready');
      await eventually(async () =>
        (await replicas()).some(({ id, state }) => id === before?.id && state === 'healthy'),
      );
    },
    ['VM1', 'VM2'],
  ));

test('when every machine is lost to sight, the platform is what is cut off, and nothing is given up', () =>
  withLab(
    async (lab, balancer, replicas) => {
      await balancer.register(specOfApp(NAME, scale(2)), 'VM1');
      await eventually(async () => healthyOn(await replicas()).length === 2);
      const routes = lab.applied.at(-1)?.[0]?.upstreams.length;
      lab.nodeBecomes('VM1', 'lost');
      lab.nodeBecomes('VM2', 'lost');
      // Another app makes it look at everything once more.
      await balancer.register(specOfApp('web-2', scale(1)), 'VM1');
      await eventually(() => lab.applied.at(-1)?.length === 2);
      assert.equal(healthyOn(await replicas()).length, 2);
      assert.equal(lab.applied.at(-1)?.[0]?.upstreams.length, routes);
    },
    ['VM1', 'VM2'],
  ));

test('an app is deregistered although a machine with a replica of it is lost; what turns up later is removed', () =>
  withLab(
    async (lab, balancer, replicas) => {
      await balancer.register(specOfApp(NAME, scale(2)), 'VM1');
      await eventually(async () => healthyOn(await replicas()).join() === 'VM1,VM2');
      lab.nodeBecomes('VM2', 'lost');
      lab.unreachable.add('VM2');
      await balancer.call('POST', `/deregisterApp?appName=${NAME}`);
      lab.unreachable.delete('VM2');
      lab.nodeBecomes('VM2', 'ready');
      await eventually(() => lab.containers.size === 0, { deadlineMs: 60_000 });
    },
    ['VM1', 'VM2'],
  ));

test('a replica that cannot be started on a machine that counts as well is tried again, each time later', () =>
  withLab(
    async (lab, balancer, replicas) => {
      await balancer.register(specOfApp(NAME, scale(1)), 'VM1');
      await eventually(async () => healthyOn(await replicas()).join() === 'VM1');
      lab.unreachable.add('VM2');
      await balancer.call('POST', `/instances/${NAME}/scale`, { generation: 1, min: 2, max: 2 });
      const [first = 0, second = 0, third = 0] = await eventually(
        () => (lab.unreached.length >= 3 ? lab.unreached : null),
        { deadlineMs: 20_000 },
      );
      assert.ok(second - first >= 1000, `after ${second - first} ms`);
      assert.ok(third - second >= 2000, `after ${third - second} ms`);
      const tried = (await replicas()).filter(({ node }) => node === 'VM2');
      assert.equal(tried.length, 1, 'it is mended where it is as long as its machine counts as well');
      lab.unreachable.delete('VM2');
      await eventually(async () => healthyOn(await replicas()).join() === 'VM1,VM2', { deadlineMs: 20_000 });
      assert.deepEqual((await replicas()).map(({ id }) => id).includes(tried[0]?.id ?? ''), true);
    },
    ['VM1', 'VM2'],
  ));

test('further replicas go to the same machine where the operator wants it as in the starting document', () =>
  withLab(
    async (_lab, balancer, replicas) => {
      await balancer.register(specOfApp(NAME, scale(3)), 'VM2');
      await eventually(async () => healthyOn(await replicas()).join() === 'VM2,VM2,VM2');
    },
    ['VM1', 'VM2'],
    'same-node',
  ));
