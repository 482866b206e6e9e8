import assert from 'node:assert/strict';
import { test } from 'node:test';
import { balancerLab, specOfApp } from '../../../test/support/balancer-lab.ts';
import { eventually } from '../../../test/support/eventually.ts';

test('a replica that hangs is ended before it is started again, and not found and waited for', async () => {
  const lab = await balancerLab();
  const balancer = await lab.start();
  try {
    const health = { path: '/', intervalSeconds: 1, failures: 1, startSeconds: 120 };
    const spec = specOfApp('web-1', { manifest: { health } });
    await balancer.register(spec);
    const [before] = lab.containers.values();
    lab.sick.add(spec.image);
    // Unhealthy for ten seconds first, in which it might mend itself.
    const after = await eventually(
      () => {
        const [now] = lab.containers.values();
        return now !== undefined && now !== before ? now : null;
      },
      { deadlineMs: 40_000 },
    );
    assert.equal(after.id, before?.id);
  } finally {
    await balancer.stop();
    await lab.cleanup();
  }
});
