import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type Balancer, type BalancerLab, balancerLab, specOfApp } from '../../../test/support/balancer-lab.ts';
import { eventually } from '../../../test/support/eventually.ts';

interface View {
  replicas: { id: string; state: string }[];
}

const NAME = 'web-1';
const TWO = { scale: { min: 2, max: 2, cpuPercent: 80, memoryPercent: 75 } };

describe('a load balancer whose proxy does not do as it is told', () => {
  let lab: BalancerLab;
  let balancer: Balancer;

  beforeEach(async () => {
    lab = await balancerLab();
    balancer = await lab.start();
    await balancer.register(specOfApp(NAME, TWO));
    await eventually(() => lab.applied.at(-1)?.[0]?.upstreams.length === 2);
  });
  afterEach(async () => {
    await balancer.stop();
    await lab.cleanup();
  });

  const view = (): Promise<View> => balancer.call<View>('GET', `/instances/${NAME}`);
  const states = async () => (await lab.told('state app')).map(({ fields }) => `${fields.state}: ${fields.reason}`);

  test('an app ends although the proxy cannot be told; its ports are nobody else’s until it can', async () => {
    const goOn = lab.silenceProxy();
    const gone = balancer.call('POST', `/deregisterApp?appName=${NAME}`);
    try {
      await eventually(() => lab.containers.size === 0);
      assert.deepEqual(
        (await view()).replicas.map(({ state }) => state),
        ['draining', 'draining'],
      );
    } finally {
      goOn();
    }
    await gone;
    assert.deepEqual(lab.applied.at(-1), []);
    await assert.rejects(view(), /404/);
  });

  test('a replica of an app that stays does not end before the proxy leads elsewhere', async () => {
    const goOn = lab.silenceProxy();
    try {
      await balancer.call('POST', `/instances/${NAME}/scale`, { generation: 1, min: 1, max: 1 });
      await eventually(async () => (await view()).replicas.some(({ state }) => state === 'draining'));
      // Stopped meanwhile it waits for nothing.
      assert.equal(lab.containers.size, 2);
      const gone = balancer.call('POST', `/deregisterApp?appName=${NAME}`);
      await eventually(() => lab.containers.size === 0);
      goOn();
      await gone;
    } finally {
      goOn();
    }
  });

  test('an app whose route is set aside later is degraded, with the reason, until its route is live', async () => {
    lab.refuse(() => ({ reason: 'port 2000 is taken by another program', portTaken: true }));
    await balancer.call('POST', `/instances/${NAME}/scale`, { generation: 1, min: 3, max: 3 });
    const degraded = 'degraded: it cannot be reached: port 2000 is taken by another program';
    await eventually(async () => (await states()).at(-1) === degraded);
    lab.refuse(() => null);
    await eventually(async () => (await states()).at(-1) === 'running: ');
  });
});
