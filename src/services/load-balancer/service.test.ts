import assert from 'node:assert/strict';
import { test } from 'node:test';
import { balancerLab, specOfApp } from '../../../test/support/balancer-lab.ts';
import { eventually } from '../../../test/support/eventually.ts';

interface View {
  replicas: { id: string; state: string; restarts: number }[];
}

const NAME = 'web-1';

test('a load balancer that starts again keeps the routes of what runs, and starts what ended meanwhile', async () => {
  const lab = await balancerLab();
  try {
    const first = await lab.start();
    await first.register(specOfApp(NAME, { scale: { min: 3, max: 3, cpuPercent: 80, memoryPercent: 75 } }));
    const three = await eventually(async () => {
      const { replicas } = await first.call<View>('GET', `/instances/${NAME}`);
      return replicas.length === 3 && replicas.every(({ state }) => state === 'healthy') ? replicas : null;
    });
    await eventually(() => lab.applied.at(-1)?.[0]?.upstreams.length === 3);
    await first.stop();
    const [ended = '', ...running] = three.map(({ id }) => id);
    lab.containers.delete(ended);
    lab.applied.length = 0;
    const second = await lab.start();
    try {
      const after = await eventually(async () => {
        const { replicas } = await second.call<View>('GET', `/instances/${NAME}`);
        return replicas.every(({ state }) => state === 'healthy') && lab.containers.size === 3 ? replicas : null;
      });
      assert.deepEqual(
        after.map(({ id }) => id),
        three.map(({ id }) => id),
        'the same replicas',
      );
      await eventually(() => lab.applied.at(-1)?.[0]?.upstreams.length === 3);
      const counts = lab.applied.map(([route]) => route?.upstreams.length ?? 0);
      assert.ok(
        counts.every((count) => count >= running.length),
        `upstreams over time: ${counts}`,
      );
      assert.equal(counts[0], running.length, 'the one that ended is out of the route at once');
    } finally {
      await second.stop();
    }
  } finally {
    await lab.cleanup();
  }
});

test('a load balancer starts although its proxy does not answer, and tells it the routes once it does', async () => {
  const lab = await balancerLab();
  try {
    const first = await lab.start();
    await first.register(specOfApp(NAME));
    await first.stop();
    lab.applied.length = 0;
    const goOn = lab.pauseProxy(() => true);
    const second = await lab.start();
    try {
      const { replicas } = await second.call<View>('GET', `/instances/${NAME}`);
      assert.deepEqual(
        replicas.map(({ state }) => state),
        ['healthy'],
      );
      assert.deepEqual(lab.applied, []);
      goOn();
      await eventually(() => lab.applied.at(-1)?.[0]?.upstreams.length === 1);
    } finally {
      goOn();
      await second.stop();
    }
  } finally {
    await lab.cleanup();
  }
});

test('an app whose port another program has gets the next one; one that the proxy refuses for another reason keeps its own', async () => {
  const lab = await balancerLab();
  const balancer = await lab.start();
  try {
    lab.refuse(() => ({ reason: 'there is no room for another port', portTaken: false }));
    const registration = balancer.register(specOfApp(NAME));
    await assert.rejects(registration, /AVK_ROUTE_REJECTED.*web-1 cannot be made reachable: there is no room/);
    assert.equal(lab.applied.at(-1)?.[0]?.publicPort, 2000);
    await balancer.call('POST', `/deregisterApp?appName=${NAME}`);
    lab.refuse(({ publicPort }) => (publicPort < 2005 ? { reason: 'it is taken', portTaken: true } : null));
    await balancer.register(specOfApp(NAME, { generation: 2 }));
    assert.equal(lab.applied.at(-1)?.[0]?.publicPort, 2005);
  } finally {
    await balancer.stop();
    await lab.cleanup();
  }
});
