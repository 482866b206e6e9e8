import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Api, signIn } from '../support/api.ts';
import { appOf, webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, readyUrl, spawnPlatform, startPlatform } from '../support/platform.ts';
import { fleetHome, KILLABLE, neverStopsAsking, replicasOn } from './controller.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';

const LATER = { deadlineMs: 90_000 };
const SETTLED = ['running', 'stopped', 'failed', 'cancelled'];

/** The journal points at which something on a machine is under way or was just done, by what is asked for. */
const POINTS = {
  deploy: [
    'deploy.place.finished.after',
    'deploy.build.entered.after',
    'deploy.build.finished.before',
    'deploy.build.finished.after',
    'deploy.start.entered.after',
    'deploy.start.finished.before',
    'deploy.start.finished.after',
    'deploy.register.entered.after',
    'deploy.register.finished.before',
    'deploy.register.finished.after',
  ],
  stop: ['stop.deregister.entered.after', 'stop.deregister.finished.before', 'stop.end.ended.after'],
  scale: ['scale.tell.entered.after', 'scale.tell.finished.before', 'scale.end.ended.after'],
  upgrade: ['rollout.tell.entered.after', 'rollout.tell.finished.before', 'rollout.end.ended.after'],
  fail: [
    'deploy.start.failed.before',
    'deploy.start.undone.before',
    'deploy.build.undone.after',
    'deploy.end.ended.before',
  ],
} as const;
type Scenario = keyof typeof POINTS;

const EXPECTED: Record<Scenario, string> = {
  deploy: 'running',
  stop: 'stopped',
  scale: 'running',
  upgrade: 'running',
  fail: 'failed',
};

describe('kill -9 of a controller', fleetOrSkip(), () => {
  let fleet: Fleet;
  let home: Home;
  let flags: string[];
  let steady = '';

  before(async () => {
    fleet = await bringUpFleet(2);
    ({ home, flags } = fleetHome(fleet));
    const platform = await startPlatform({ home, flags, entry: KILLABLE });
    const api = await signIn(platform.url);
    await api.provide(webApp('web', { version: '2.0.0' }));
    await api.provide(webApp('web', { version: '1.0.0' }));
    await api.provide(appOf('broken', 'console.log("about to fail"); process.exit(7);'));
    await api.deploy('web', { instanceName: 'steady', scale: { min: 2, max: 2 } });
    steady = (await api.reaches('steady', 'running')).endpoint ?? '';
    await eventually(async () => healthy(await api.instance('steady')) === 2, LATER);
    await platform.stop();
  });
  after(async () => {
    await fleet?.down();
    home?.remove();
  });

  for (const [scenario, points] of Object.entries(POINTS) as [Scenario, readonly string[]][]) {
    for (const point of points) {
      test(`kill -9 of a controller at ${point} while it should ${scenario}: it ends right, and what runs serves on`, async () => {
        const client = neverStopsAsking(steady);
        const name = `${scenario}-${point}`.replaceAll('.', '-');
        await dieAt(point, scenario, name);
        const platform = await startPlatform({ home, flags, entry: KILLABLE });
        try {
          const api = await signIn(platform.url);
          await eventually(async () => SETTLED.includes((await api.instance(name)).state), LATER);
          const wanted = { scale: 2, stop: 0, fail: 0 }[scenario as string] ?? 1;
          await eventually(async () => {
            const instance = await api.instance(name);
            const version = scenario === 'upgrade' ? '2.0.0' : '1.0.0';
            const settled = instance.state === EXPECTED[scenario] && instance.rollout === undefined;
            return (
              settled &&
              instance.version === version &&
              healthy(instance) === wanted &&
              instance.replicas.length === wanted
            );
          }, LATER);
          await eventually(async () => (await containers(name)) === wanted, LATER);
          if (wanted > 0) {
            assert.equal((await fetch((await api.instance(name)).endpoint ?? '')).status, 200);
            await api.stop(name);
            await api.reaches(name, 'stopped');
          }
          assert.equal(healthy(await api.instance('steady')), 2);
        } finally {
          await platform.stop();
          await client.stop();
        }
        assert.ok(client.asked() > 50);
        assert.deepEqual(client.failures, []);
      });
    }
  }

  async function containers(name: string): Promise<number> {
    const found = await Promise.all(fleet.vms.map((vm) => replicasOn(vm, name)));
    return found.flat().length;
  }

  /** Starts a platform that dies at the point, brings it there, and waits for its death. */
  async function dieAt(point: string, scenario: Scenario, name: string): Promise<void> {
    const platform = spawnPlatform({ home, flags, entry: KILLABLE, env: { KILL_AT: point } });
    const api = await signIn(await readyUrl(platform));
    // The platform dies under these requests: what they answer does not matter, what it does afterwards does.
    const quietly = (request: Promise<unknown>): Promise<unknown> => request.catch(() => null);
    await quietly(api.deploy(scenario === 'fail' ? 'broken' : 'web', { instanceName: name }));
    if (!['deploy', 'fail'].includes(scenario)) await api.reaches(name, 'running');
    if (scenario === 'stop') await quietly(api.stop(name));
    if (scenario === 'scale') await quietly(api.post('/api/deployedApps/scale/', { instanceName: name, replicas: 2 }));
    if (scenario === 'upgrade') {
      await quietly(api.post('/api/deployedApps/upgrade/', { instanceName: name, version: '2.0.0' }));
    }
    const deadline = new Promise<string>((resolve) => setTimeout(() => resolve('never'), 60_000).unref());
    const end = await Promise.race([platform.exited, deadline]);
    if (end === 'never') await platform.kill();
    assert.equal(end, 'SIGKILL', `the platform did not come to ${point}:\n${platform.output()}`);
  }
});

function healthy(instance: Awaited<ReturnType<Api['instance']>>): number {
  return instance.replicas.filter(({ state }) => state === 'healthy').length;
}
