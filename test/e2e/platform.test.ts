import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { signIn } from '../support/api.ts';
import { appOf, webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { FLEET, type Home, newHome, spawnPlatform, startPlatform } from '../support/platform.ts';
import { appProcesses, goOn } from '../support/processes.ts';
import { type SmallDisk, smallDisk } from '../support/small-disk.ts';

describe('the platform process', () => {
  test('a second platform on the same home is refused and the first goes on', async () => {
    const home = newHome();
    const platform = await startPlatform({ home });
    try {
      const second = spawnPlatform({ home });
      assert.equal(await second.exited, 1);
      assert.match(second.output(), /another Avishkar runs on .*choose another folder with --home.*AVK_HOME_LOCKED/s);
      await signIn(platform.url);
    } finally {
      assert.equal(await platform.stop(), 0);
      home.remove();
    }
  });

  test('a port that is in use is named, and nothing is left behind', async () => {
    const home = newHome();
    const platform = await startPlatform({ home });
    const other = { ...newHome(), slot: home.slot };
    try {
      const second = spawnPlatform({ home: other });
      assert.equal(await second.exited, 1);
      assert.match(second.output(), /port \d+, which [a-z-]+ needs, is in use; .*--port/);
    } finally {
      await platform.stop();
      home.remove();
      rmSync(other.directory, { recursive: true });
    }
  });

  test('SIGTERM twice stops once, in order, with exit 0; apps end and come back at the next start', async () => {
    const home = newHome();
    let platform = await startPlatform({ home });
    let api = await signIn(platform.url);
    await api.provide(webApp('web'));
    const name = await api.deploy('web');
    const { endpoint, replicas } = await api.reaches(name, 'running');
    const before = appProcesses(home.directory);
    platform.stop();
    assert.equal(await platform.stop(), 0, platform.output());
    assert.match(platform.output(), /Stopped\.\n$/);
    assert.deepEqual(appProcesses(home.directory), goOn(before));

    platform = await startPlatform({ home });
    api = await signIn(platform.url);
    await eventually(async () => (await fetch(endpoint ?? '')).status === 200);
    const again = await eventually(async () => {
      const instance = await api.instance(name);
      return instance.replicas[0]?.state === 'healthy' ? instance : null;
    });
    assert.equal(again.endpoint, endpoint);
    assert.equal(again.replicas[0]?.id, replicas[0]?.id);
    assert.equal(again.state, 'running');
    await api.stop(name);
    await api.reaches(name, 'stopped');
    await platform.stop();
    home.remove();
  });

  test('a deployment and a stop under way when the platform stops go on at the next start', async () => {
    const home = newHome();
    let platform = await startPlatform({ home });
    let api = await signIn(platform.url);
    const slow = `setTimeout(() => require('node:http').createServer((q, s) => s.end('ok')).listen(process.env.PORT), 1500);
process.on('SIGTERM', () => setTimeout(() => process.exit(0), 1500));`;
    await api.provide(appOf('slow', slow, { health: { path: '/', startSeconds: 30 } }));
    const leaving = await api.deploy('slow');
    await api.reaches(leaving, 'running');
    const coming = await api.deploy('slow');
    await api.reaches(coming, 'starting');
    await api.stop(leaving);
    assert.equal(await platform.stop(), 0, platform.output());
    platform = await startPlatform({ home });
    api = await signIn(platform.url);
    const { endpoint } = await api.reaches(coming, 'running');
    assert.equal((await fetch(endpoint ?? '')).status, 200);
    await api.reaches(leaving, 'stopped');
    assert.equal(appProcesses(home.directory).length, 1);
    await api.stop(coming);
    await api.reaches(coming, 'stopped');
    await platform.stop();
    home.remove();
  });

  test('apps go on through a kill -9 of the platform and are adopted, not started anew', async () => {
    const home = newHome();
    let platform = await startPlatform({ home });
    let api = await signIn(platform.url);
    await api.provide(webApp('web'));
    const name = await api.deploy('web');
    await api.reaches(name, 'running');
    await api.post('/api/deployedApps/scale/', { instanceName: name, replicas: 3 });
    await eventually(
      async () => (await api.instance(name)).replicas.filter(({ state }) => state === 'healthy').length === 3,
    );
    const before = appProcesses(home.directory);
    assert.equal(before.length, 3);
    await platform.kill();
    assert.deepEqual(appProcesses(home.directory), before);
    platform = await startPlatform({ home });
    api = await signIn(platform.url);
    await eventually(
      async () => (await api.instance(name)).replicas.filter(({ state }) => state === 'healthy').length === 3,
    );
    assert.deepEqual(appProcesses(home.directory), before);
    await platform.stop();
    assert.deepEqual(appProcesses(home.directory), goOn(before));
    home.remove();
  });

  test('a home that cannot be written is refused with what to do', async (context) => {
    const small = await smallHome(context, 8);
    if (!small) return;
    const { home, disk } = small;
    try {
      execFileSync('mount', ['-o', 'remount,ro', disk.directory]);
      const platform = spawnPlatform({ home });
      assert.equal(await platform.exited, 1);
      assert.match(platform.output(), /cannot be (written|used).*AVK_HOME_UNUSABLE/s);
      assert.doesNotMatch(platform.output(), /\n {4}at /, 'a stack trace helps nobody');
    } finally {
      home.slot.release();
      await disk.cleanup();
    }
  });

  test('a full disk refuses what it cannot keep, and the platform goes on when there is room again', async (context) => {
    const small = await smallHome(context, 64);
    if (!small) return;
    const { home, disk } = small;
    const platform = await startPlatform({ home });
    try {
      const api = await signIn(platform.url);
      await api.provide(webApp('web'));
      const name = await api.deploy('web');
      const { endpoint } = await api.reaches(name, 'running');
      const diskPercent = async (): Promise<number> => {
        const { nodes } = await api.get<{ nodes: { diskPercent: number }[] }>('/api/nodes/');
        return nodes[0]?.diskPercent ?? 0;
      };
      await disk.fill();
      const big = await api.upload({ ...webApp('large'), 'data.txt': randomBytes(2_000_000).toString('base64') });
      assert.equal(big.status, 507, await big.text());
      const refused = await eventually(async () => {
        const response = await api.request('POST', '/api/deployedApps/deployApp/', { appName: 'web' });
        return response.status === 507 ? response : null;
      });
      assert.match(await refused.text(), /AVK_DISK_FULL/);
      assert.equal((await fetch(endpoint ?? '')).status, 200, 'what runs goes on');
      assert.equal((await fetch(`${platform.url}/health`)).status, 200);
      // Seen full first: a sample from before it was filled would pass for one from after it was emptied. The disk of a
      // controller is none of a machine's.
      if (FLEET === null) await eventually(async () => (await diskPercent()) > 99);
      await disk.free();
      await eventually(async () => (await diskPercent()) < 90);
      const after = await eventually(async () => {
        const response = await api.request('POST', '/api/deployedApps/deployApp/', { appName: 'web' });
        return response.status === 202 ? ((await response.json()) as { instanceName: string }) : null;
      });
      await api.reaches(after.instanceName, 'running');
    } finally {
      assert.equal(await platform.stop(), 0, platform.output());
      home.slot.release();
      await disk.cleanup();
    }
  });
});

/** A home on a file system of its own, so many MiB large; skips the test where there can be none. */
async function smallHome(context: TestContext, mib: number): Promise<{ home: Home; disk: SmallDisk } | null> {
  const disk = await smallDisk(mib);
  if (typeof disk === 'string') {
    context.skip(disk);
    return null;
  }
  return { home: newHome(disk.directory), disk };
}
