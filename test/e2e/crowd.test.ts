import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Api, signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { FLEET, type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { appProcesses } from '../support/processes.ts';

const CROWD = 100;

describe('a crowd', () => {
  let home: Home;
  let platform: TestPlatform;
  let api: Api;

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home, flags: ['--nodes', '2'] });
    api = await signIn(platform.url);
    await api.provide(webApp('web', { health: { path: '/', startSeconds: 120 } }));
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    assert.deepEqual(appProcesses(home.directory), []);
    home.remove();
  });

  test('a hundred deployments at once all serve, each at a port of its own, and a hundred stops at once all end', async () => {
    const names = await Promise.all(Array.from({ length: CROWD }, () => api.deploy('web')));
    assert.equal(new Set(names).size, CROWD, 'a name was given twice');
    await eventually(async () => (await api.instances()).every(({ state }) => ['running', 'failed'].includes(state)), {
      deadlineMs: 240_000,
      everyMs: 500,
    });
    const instances = await api.instances();
    assert.deepEqual(
      instances.filter(({ state }) => state !== 'running').map(({ instanceName, reason }) => [instanceName, reason]),
      [],
    );
    assert.equal(new Set(instances.map(({ endpoint }) => endpoint)).size, CROWD, 'an end point was given twice');
    const ports = instances.flatMap(({ replicas }) => replicas.map(({ hostPort }) => hostPort));
    assert.equal(new Set(ports).size, CROWD, 'a port was given twice');
    for (const { endpoint, instanceName } of instances) {
      const answer = await (await fetch(endpoint ?? '')).text();
      // On a fleet that shares two cores a machine may be out of sight for a moment: then its replica is another one.
      const moved = FLEET === null ? [] : (await api.instance(instanceName)).replicas.map((replica) => replica.name);
      assert.ok([`${instanceName}_instance_1`, ...moved].includes(answer), `${instanceName} answered ${answer}`);
    }
    await Promise.all(names.map((name) => api.stop(name)));
    await eventually(async () => (await api.instances()).every(({ state }) => state === 'stopped'), {
      deadlineMs: 120_000,
      everyMs: 250,
    });
  });

  test('deployments and stops of the same few names, all at once, end in one state each', async () => {
    const names = Array.from({ length: 5 }, (_, n) => `contested-${n}`);
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) => {
        const instanceName = names[n % names.length];
        return n % 3 === 2
          ? api.request('POST', '/api/deployedApps/stopApp/', { instanceName })
          : api.request('POST', '/api/deployedApps/deployApp/', { appName: 'web', instanceName });
      }),
    );
    for (const answer of answers) assert.ok([202, 404, 409].includes(answer.status), String(answer.status));
    await eventually(
      async () => (await api.instances()).every(({ state }) => ['running', 'stopped', 'cancelled'].includes(state)),
      { deadlineMs: 60_000 },
    );
    const running = (await api.instances()).filter(({ state }) => state === 'running');
    await eventually(() => {
      assert.equal(appProcesses(home.directory).length, running.length);
      return true;
    });
    for (const { instanceName } of running) await api.stop(instanceName);
    await eventually(() => appProcesses(home.directory).length === 0);
  });
});
