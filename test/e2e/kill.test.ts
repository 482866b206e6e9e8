import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../../src/adapters/clock/system.ts';
import { createSqliteBus } from '../../src/adapters/message-bus/sqlite.ts';
import { neverStopsAsking } from '../fleet/controller.ts';
import { type Api, type Instance, signIn } from '../support/api.ts';
import { appOf, webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { imagesOf } from '../support/machine.ts';
import {
  FLEET,
  type Home,
  newHome,
  ROOT,
  readyUrl,
  spawnPlatform,
  startPlatform,
  type TestPlatform,
} from '../support/platform.ts';
import { appProcesses } from '../support/processes.ts';

const KILLABLE = join(ROOT, 'test/support/killable.ts');
const SETTLED = ['running', 'stopped', 'failed', 'cancelled'];
/** Fewer on a fleet, where a platform takes longer to begin. */
const RANDOM_KILLS = FLEET === null ? 50 : 12;

/** An app that nobody touches. On a fleet its requests go past the platform, and are to be answered whatever becomes of that. */
const STEADY = 'steady';

/** What is asked of the platform that dies, so that the named step is on the way. */
type Scenario =
  | 'deploy'
  | 'stop'
  | 'scale'
  | 'upgrade'
  | 'withdraw an upgrade'
  | 'fail'
  | 'cancel'
  | 'answer a bare message'
  | 'remove a version';

const both = (step: string): string[] => [`${step}.before`, `${step}.after`];

/**
 * Every entry of every journal, by name. An answer is journaled with the message that brought it, and what follows a
 * step with that step's own end, hence only `after` for those.
 */
const POINTS: Record<Scenario, string[]> = {
  deploy: [
    ...both('launch.populate.entered'),
    ...both('launch.populate.finished'),
    'launch.end.ended.after',
    ...both('deploy.place.entered'),
    'deploy.place.finished.after',
    'deploy.build.entered.after',
    ...both('deploy.build.finished'),
    'deploy.start.entered.after',
    ...both('deploy.start.finished'),
    'deploy.register.entered.after',
    ...both('deploy.register.finished'),
    'deploy.end.ended.after',
  ],
  stop: [...both('stop.deregister.entered'), ...both('stop.deregister.finished'), 'stop.end.ended.after'],
  scale: [...both('scale.tell.entered'), ...both('scale.tell.finished'), 'scale.end.ended.after'],
  upgrade: [
    ...both('rollout.populate.entered'),
    ...both('rollout.populate.finished'),
    'rollout.tell.entered.after',
    ...both('rollout.tell.finished'),
    'rollout.end.ended.after',
  ],
  'withdraw an upgrade': [
    ...both('withdraw.tell.entered'),
    ...both('withdraw.tell.finished'),
    'withdraw.end.ended.after',
  ],
  fail: [
    ...both('deploy.start.failed'),
    ...both('deploy.start.undone'),
    ...both('deploy.build.undone'),
    ...both('deploy.place.undone'),
    ...both('deploy.end.ended'),
  ],
  'answer a bare message': [...both('request.ask.entered'), ...both('request.ask.finished'), 'request.end.ended.after'],
  'remove a version': [...both('clear.storage.entered'), ...both('clear.storage.finished'), 'clear.end.ended.after'],
  cancel: [...both('deploy.start.failed'), ...both('deploy.start.undone'), ...both('deploy.end.ended')],
};

describe('kill -9 of the platform', () => {
  let home: Home;
  let client: ReturnType<typeof neverStopsAsking> | null = null;

  before(async () => {
    home = newHome();
    const platform = await startPlatform({ home, entry: KILLABLE });
    const api = await signIn(platform.url);
    const sick = { version: '3.0.0', health: { path: '/', startSeconds: 60 } };
    await api.provide(appOf('web', 'setInterval(() => {}, 1000);', sick));
    await api.provide(webApp('web', { version: '2.0.0' }));
    // Uploaded last, so the one that is deployed without a word.
    await api.provide(webApp('web', { version: '1.0.0' }));
    await api.provide(appOf('broken', 'console.log("about to fail"); process.exit(7);'));
    await api.provide(appOf('silent', 'setInterval(() => {}, 1000);', { health: { path: '/', startSeconds: 60 } }));
    if (FLEET !== null) {
      await api.deploy('web', { instanceName: STEADY });
      client = neverStopsAsking((await api.reaches(STEADY, 'running')).endpoint ?? '');
    }
    await platform.stop();
  });

  after(async () => {
    await client?.stop();
    assert.deepEqual(appProcesses(home.directory), []);
    home.remove();
  });

  for (const [scenario, points] of Object.entries(POINTS) as [Scenario, string[]][]) {
    for (const point of points) {
      test(`kill -9 at ${point} while it should ${scenario}`, async () => {
        const name = scenario === 'answer a bare message' ? 'web' : `${scenario}-${point}`.replaceAll(/[. ]/g, '-');
        await dieAt(home, point, scenario, name);
        const platform = await startPlatform({ home, entry: KILLABLE });
        try {
          const api = await signIn(platform.url);
          const instance = await settles(api, name);
          assert.equal(instance?.state, EXPECTED[scenario], instance?.reason);
          if (scenario in VERSION)
            await eventually(async () => (await api.instance(name)).version === VERSION[scenario]);
          await oneSetOfReplicas(api, home);
          if (scenario === 'remove a version') await removedForGood(api, home);
          if (scenario === 'fail')
            assert.match(instance?.reason ?? '', /exited with code 7|ended while nobody watched/);
          await stopAll(api);
          await eventually(() => processesOf(home).length === 0);
        } finally {
          await platform.stop();
        }
        nothingLeftOver(home);
      });
    }
  }

  test('the named points are all that is journaled', async () => {
    const file = join(home.directory, 'journal.txt');
    await sendBareMessage(home, 'deploy app$web');
    const platform = await startPlatform({ home, entry: KILLABLE, env: { JOURNAL_FILE: file } });
    const api = await signIn(platform.url);
    await api.reaches('web', 'running');
    await api.deploy('web', { instanceName: 'whole-life' });
    await api.reaches('whole-life', 'running');
    await api.post('/api/deployedApps/scale/', { instanceName: 'whole-life', replicas: 2 });
    await eventually(() => readFileSync(file, 'utf8').includes('scale.end.ended.after'));
    await upgrade(api, 'whole-life', '2.0.0');
    await eventually(() => readFileSync(file, 'utf8').includes('rollout.end.ended.after'));
    await eventually(async () => (await api.instance('whole-life')).rollout === undefined);
    await upgrade(api, 'whole-life', '3.0.0');
    await eventually(async () => {
      const { generation, replicas } = await api.instance('whole-life');
      return replicas.some((replica) => replica.generation > generation);
    });
    await api.post('/api/deployedApps/cancel/', { instanceName: 'whole-life' });
    await eventually(() => readFileSync(file, 'utf8').includes('withdraw.end.ended.after'));
    await api.deploy('broken', { instanceName: 'short-life' });
    await api.reaches('short-life', 'failed');
    await stopAll(api);
    await removeVersion(api, 'removed-in-time');
    await eventually(() => readFileSync(file, 'utf8').includes('clear.end.ended.after'));
    await platform.stop();
    // Starting the platform has its own, in kill-toggle.test.ts.
    const all = readFileSync(file, 'utf8').trim().split('\n');
    const seen = new Set(all.filter((point) => !point.startsWith('platform-')));
    assert.deepEqual([...seen].sort(), [...new Set(Object.values(POINTS).flat())].sort());
  });

  test(`kill -9 at ${RANDOM_KILLS} random moments while apps come and go`, async () => {
    let platform: TestPlatform | null = null;
    for (let round = 0; round < RANDOM_KILLS; round += 1) {
      platform = await startPlatform({ home, entry: KILLABLE });
      const busy = churn(await signIn(platform.url), round);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 700));
      await platform.kill();
      await busy;
    }
    platform = await startPlatform({ home, entry: KILLABLE });
    const api = await signIn(platform.url);
    await eventually(async () => (await api.instances()).every((instance) => SETTLED.includes(instance.state)), {
      deadlineMs: 60_000,
    });
    await oneSetOfReplicas(api, home);
    await stopAll(api);
    await eventually(() => processesOf(home).length === 0);
    await platform.stop();
    nothingLeftOver(home);
  });

  const ONE_PROCESS = 'the built-in proxy is in the platform’s own process';
  test('an app that is left alone answers each request through all kills', {
    skip: FLEET === null ? ONE_PROCESS : false,
  }, async () => {
    assert.ok(client);
    await client.stop();
    assert.deepEqual(client.failures, []);
    assert.ok(client.asked() > 100, `${client.asked()} requests`);
    const platform = await startPlatform({ home, entry: KILLABLE });
    const api = await signIn(platform.url);
    const { replicas } = await api.instance(STEADY);
    assert.deepEqual(
      replicas.map(({ restarts }) => restarts),
      [0],
    );
    await api.stop(STEADY);
    await api.reaches(STEADY, 'stopped');
    await platform.stop();
  });
});

/** What runs of the apps that come and go. */
function processesOf(home: Home): ReturnType<typeof appProcesses> {
  return appProcesses(home.directory).filter(({ instance }) => instance !== STEADY);
}

/** The instances that come and go. */
async function passing(api: Api): Promise<Instance[]> {
  return (await api.instances()).filter(({ instanceName }) => instanceName !== STEADY);
}

const EXPECTED: Record<Scenario, string> = {
  deploy: 'running',
  stop: 'stopped',
  scale: 'running',
  upgrade: 'running',
  'withdraw an upgrade': 'running',
  fail: 'failed',
  cancel: 'cancelled',
  'answer a bare message': 'running',
  'remove a version': 'stopped',
};

/** The version that it is to run in the end. */
const VERSION: Partial<Record<Scenario, string>> = { upgrade: '2.0.0', 'withdraw an upgrade': '1.0.0' };

/** Starts a platform that dies at the point, brings it there, and waits for its death. */
async function dieAt(home: Home, point: string, scenario: Scenario, name: string): Promise<void> {
  if (scenario === 'answer a bare message') await sendBareMessage(home, `deploy app$${name}`);
  const platform = spawnPlatform({ home, entry: KILLABLE, env: { KILL_AT: point } });
  if (scenario !== 'answer a bare message') await ask(platform, scenario, name);
  const deadline = new Promise<string>((resolve) => setTimeout(() => resolve('never'), 30_000).unref());
  const end = await Promise.race([platform.exited, deadline]);
  if (end === 'never') await platform.kill();
  assert.equal(end, 'SIGKILL', `the platform did not come to ${point}:\n${platform.output()}`);
}

/** Brings the platform to do what the scenario is about. */
async function ask(platform: ReturnType<typeof spawnPlatform>, scenario: Scenario, name: string): Promise<void> {
  const api = await signIn(await readyUrl(platform));
  // The platform dies under these requests: what they answer does not matter, what it does afterwards does.
  const quietly = (request: Promise<unknown>): Promise<unknown> => request.catch(() => null);
  if (scenario === 'remove a version') {
    await removeVersion(api, name);
    return;
  }
  const app = { fail: 'broken', cancel: 'silent' }[scenario as string] ?? 'web';
  await quietly(api.deploy(app, { instanceName: name }));
  if (scenario !== 'deploy' && app === 'web') await api.reaches(name, 'running');
  if (scenario === 'upgrade') await quietly(upgrade(api, name, '2.0.0'));
  if (scenario === 'withdraw an upgrade') {
    await upgrade(api, name, '3.0.0');
    await quietly(api.post('/api/deployedApps/cancel/', { instanceName: name }));
  }
  if (scenario === 'stop') await quietly(api.stop(name));
  if (scenario === 'scale') await quietly(api.post('/api/deployedApps/scale/', { instanceName: name, replicas: 2 }));
  if (scenario === 'cancel') {
    await api.reaches(name, 'starting');
    await quietly(api.post('/api/deployedApps/cancel/', { instanceName: name }));
  }
}

const REMOVED = 'removed-app';

/** Uploads a version, runs it once as that instance, so that there is an image, and removes it. */
async function removeVersion(api: Api, name: string): Promise<void> {
  await api.provide(webApp(REMOVED));
  await api.deploy(REMOVED, { instanceName: name });
  await api.reaches(name, 'running');
  await api.stop(name);
  await api.reaches(name, 'stopped');
  // The platform may die under it.
  await api.request('DELETE', `/api/baseApp/${REMOVED}/1.0.0/`).catch(() => null);
}

/** Neither in the catalogue, nor its zip, nor its image; and it can be uploaded again, as the next round does. */
async function removedForGood(api: Api, home: Home): Promise<void> {
  const below = (folder: string): string[] =>
    readdirSync(join(home.directory, folder), { recursive: true, encoding: 'utf8' });
  await eventually(() => imagesOf(home, REMOVED).length === 0);
  assert.deepEqual(
    below('blobs').filter((path) => path.startsWith(`baseApps/keys/${REMOVED}/`) && path.includes('.zip')),
    [],
  );
  const { apps } = await api.get<{ apps: { name: string }[] }>('/api/baseApp/getapps/');
  assert.ok(apps.every((app) => app.name !== REMOVED));
}

function upgrade(api: Api, instanceName: string, version: string): Promise<unknown> {
  return api.post('/api/deployedApps/upgrade/', { instanceName, version });
}

/** What a program sends that knows the starting document and nothing else; put on the bus while the platform is down. */
async function sendBareMessage(home: Home, msg: string): Promise<void> {
  const bus = createSqliteBus({ path: join(home.directory, 'state', 'bus.db'), clock: systemClock });
  const envelope = { to_topic: 'DeploymentManager', from_topic: 'ApplicationManager', request_id: randomUUID(), msg };
  await bus.publish([{ topic: 'DeploymentManager', key: msg, value: JSON.stringify(envelope) }]);
  await bus.close();
}

/** Deploys and stops until the platform is gone. */
async function churn(api: Api, round: number): Promise<void> {
  try {
    const name = `churn-${round % 8}`;
    const live = (await api.instances()).map((instance) => instance.instanceName);
    if (live.includes(name)) await api.stop(name);
    await api.deploy('web', { instanceName: `round-${round}` });
    await api.deploy('broken', { instanceName: `broken-${round}` });
    for (let n = 0; n < 8; n += 1) {
      const instance = (await passing(api))[n];
      if (instance?.state === 'running') await api.stop(instance.instanceName);
      const other = (await passing(api)).findLast(({ state, version }) => state === 'running' && version === '1.0.0');
      if (other) await upgrade(api, other.instanceName, '2.0.0').catch(() => null);
      await api.deploy('web', { instanceName: `churn-${(round + n) % 8}` }).catch(() => null);
    }
  } catch {
    // The platform was killed under the request, which is the point.
  }
}

async function settles(api: Api, name: string): Promise<Instance | undefined> {
  return eventually(
    async () => {
      const found = (await api.instances()).find((instance) => instance.instanceName === name);
      assert.ok(found, 'the instance was lost');
      return SETTLED.includes(found.state) ? found : null;
    },
    { deadlineMs: 60_000 },
  );
}

/** Exactly as many processes as replicas are wanted, each its own port, all healthy and served; nothing else runs. */
async function oneSetOfReplicas(api: Api, home: Home): Promise<void> {
  const instances = await eventually(
    async () => {
      const all = await api.instances();
      for (const { instanceName, state, replicas, generation, rollout } of all) {
        assert.notEqual(rollout?.state, 'under way', instanceName);
        assert.ok(
          replicas.every((replica) => replica.generation === generation),
          instanceName,
        );
        const ids = replicas.filter((replica) => replica.state === 'healthy').map((replica) => replica.id);
        if (state !== 'running') assert.deepEqual(ids, [], instanceName);
        else
          assert.ok(ids.length >= 1 && ids.length === replicas.length, `${instanceName}: ${JSON.stringify(replicas)}`);
      }
      const wanted = all.flatMap(({ replicas }) => replicas.map((replica) => replica.id)).sort();
      assert.deepEqual(
        appProcesses(home.directory)
          .map(({ replicaId }) => replicaId)
          .sort(),
        wanted,
      );
      return all;
    },
    { deadlineMs: 30_000 },
  );
  const ports = instances.flatMap(({ replicas }) => replicas.map((replica) => replica.hostPort));
  assert.equal(new Set(ports).size, ports.length, `a port was given twice: ${ports}`);
  const endpoints = instances.flatMap(({ endpoint }) => (endpoint ? [endpoint] : []));
  assert.equal(new Set(endpoints).size, endpoints.length, `an end point was given twice: ${endpoints}`);
  for (const instance of instances.filter(({ state }) => state === 'running')) {
    const answer = await fetch(instance.endpoint ?? '');
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    assert.match(text, new RegExp(`^${instance.instanceName}_instance_`));
  }
}

async function stopAll(api: Api): Promise<void> {
  for (const { instanceName } of await passing(api)) await api.stop(instanceName);
  await eventually(async () => (await passing(api)).every(({ state }) => !['running', 'stopping'].includes(state)), {
    deadlineMs: 60_000,
  });
}

/** What the tables of a stopped platform say: no message lost, none acted on twice. */
function nothingLeftOver(home: Home): void {
  const query = (file: string, sql: string): unknown[] => {
    const db = new DatabaseSync(join(home.directory, 'state', file), { readOnly: true });
    try {
      return db.prepare(sql).all();
    } finally {
      db.close();
    }
  };
  for (const service of ['application-manager', 'deployment-manager', 'node-manager', 'load-balancer']) {
    assert.deepEqual(query(`${service}.db`, 'SELECT * FROM messenger_outbox'), [], `${service} did not send all`);
  }
  for (const service of ['application-manager', 'deployment-manager']) {
    const live = `SELECT kind, subject, state FROM sagas WHERE state IN ('running', 'compensating')`;
    assert.deepEqual(query(`${service}.db`, live), []);
    const twice = `SELECT kind, subject, request_id FROM sagas GROUP BY kind, request_id, subject HAVING count(*) > 1`;
    assert.deepEqual(query(`${service}.db`, twice), [], 'a command was acted on twice');
  }
  assert.deepEqual(query('bus.db', `SELECT topic, value FROM messages WHERE topic LIKE '%.dead'`), []);
  assert.deepEqual(query('bus.db', 'SELECT * FROM parked'), []);
  assert.deepEqual(
    query(
      'load-balancer.db',
      `SELECT replicas.app FROM replicas JOIN apps ON apps.name = replicas.app
       WHERE apps.kind = 'app' AND apps.name != '${STEADY}'`,
    ),
    [],
  );
}
