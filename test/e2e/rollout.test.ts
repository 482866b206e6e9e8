import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Api, type Instance, signIn } from '../support/api.ts';
import { appOf, type Files } from '../support/apps.ts';
import { busy } from '../support/busy.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { appProcesses, outlivedBy } from '../support/processes.ts';
import { newUser, refused } from './http.support.ts';

const UPGRADE = '/api/deployedApps/upgrade/';
const ROLLBACK = '/api/deployedApps/rollback/';
const RESTART = '/api/deployedApps/restart/';

interface Event {
  kind: string;
  text: string;
}

/** Serves its version and its settings. */
function versionOf(version: string, more: Record<string, unknown> = {}): Files {
  const main = `
const http = require('node:http');
const { PORT, AVISHKAR_REPLICA, ROOM, LIMIT, KEY } = process.env;
console.log('starting ${version} as', AVISHKAR_REPLICA);
http.createServer((request, response) => {
  if (request.url === '/settings') return response.end(JSON.stringify({ ROOM, LIMIT, KEY }));
  response.end('${version}');
}).listen(PORT);
process.on('SIGTERM', () => process.exit(0));`;
  return appOf('app', main, { version, health: { path: '/health', startSeconds: 20 }, stopSeconds: 1, ...more });
}

/** Answers its health check badly, and says so. */
function sickVersion(version: string): Files {
  const main = `
console.log('${version} cannot read its sensors');
require('node:http').createServer((request, response) => response.writeHead(500).end()).listen(process.env.PORT);
process.on('SIGTERM', () => process.exit(0));`;
  return appOf('app', main, { version, health: { path: '/health', startSeconds: 1 }, stopSeconds: 1 });
}

describe('new versions', () => {
  let home: Home;
  let platform: TestPlatform;
  let api: Api;

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home });
    const admin = await signIn(platform.url);
    api = await newUser(platform.url, admin, 'Dora', 'developer');
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) await api.provide(versionOf(version));
    await api.provide(sickVersion('2.0.0'));
    await api.provide({
      ...versionOf('2.1.0'),
      'package.json': JSON.stringify({
        name: 'app',
        version: '2.1.0',
        scripts: { preinstall: 'echo no such sensor library; exit 3' },
      }),
    });
    await api.provide(appOf('app', 'console.log("no luck"); process.exit(7);', { version: '2.2.0' }));
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    assert.deepEqual(outlivedBy(home.directory), []);
    home.remove();
  });

  const ask = (path: string, instanceName: string, more: Record<string, unknown> = {}): Promise<{ state: string }> =>
    api.post(path, { instanceName, ...more });

  async function running(name: string, replicas = 1, more: Record<string, unknown> = {}): Promise<Instance> {
    await api.deploy('app', { version: '1.0.0', instanceName: name, scale: { min: replicas, max: replicas }, ...more });
    await api.reaches(name, 'running');
    return steady(name, '1.0.0', replicas);
  }

  /** Waits until there is no rollout any more, and exactly so many replicas of that version, all healthy. */
  async function steady(name: string, version: string, replicas: number): Promise<Instance> {
    return eventually(
      async () => {
        const now = await api.instance(name);
        const healthy = now.replicas.every(
          ({ state, generation }) => state === 'healthy' && generation === now.generation,
        );
        const over = now.rollout?.state !== 'under way';
        return over && healthy && now.version === version && now.replicas.length === replicas ? now : null;
      },
      { deadlineMs: 60_000 },
    );
  }

  const processesOf = (name: string): number =>
    appProcesses(home.directory).filter(({ instance }) => instance === name).length;

  const eventsOf = async (name: string): Promise<Event[]> =>
    (await api.get<{ events: Event[] }>(`/api/deployedApps/${name}/events`)).events;

  async function remove(name: string): Promise<void> {
    await api.stop(name);
    await api.reaches(name, 'stopped');
  }

  for (const replicas of [1, 3]) {
    test(`no request of busy clients fails while ${replicas} of ${replicas} replicas are upgraded`, async () => {
      const name = `busy-${replicas}`;
      const before = await running(name, replicas);
      await using clients = busy(before.endpoint ?? '');
      await eventually(() => clients.served.has('200 1.0.0'));
      const accepted = await ask(UPGRADE, name, { version: '1.1.0' });
      assert.equal(accepted.state, 'running');
      assert.deepEqual((await api.instance(name)).rollout, { version: '1.1.0', state: 'under way' });
      const upgraded = await steady(name, '1.1.0', replicas);
      await eventually(() => clients.served.has('200 1.1.0'));
      await ask(RESTART, name);
      const restarted = await steady(name, '1.1.0', replicas);
      await ask(ROLLBACK, name);
      const back = await steady(name, '1.0.0', replicas);
      await clients.noneFailed();
      const all = [before, upgraded, restarted, back];
      assert.deepEqual(
        all.map(({ generation, rollout }) => [generation, rollout]),
        [1, 2, 3, 4].map((generation) => [generation, undefined]),
      );
      assert.deepEqual([...new Set(all.map(({ endpoint }) => endpoint))], [before.endpoint]);
      const ids = all.flatMap((one) => one.replicas.map(({ id }) => id));
      assert.equal(new Set(ids).size, ids.length, 'every time new replicas');
      assert.equal(await (await fetch(before.endpoint ?? '')).text(), '1.0.0');
      await eventually(() => processesOf(name) === replicas);
      const texts = (await eventsOf(name)).map(({ kind, text }) => `${kind}: ${text}`);
      for (const text of [
        'upgrading: upgrading from 1.0.0 to 1.1.0',
        ...(replicas > 1 ? [`rollout: ${replicas - 1} of ${replicas} replicas run 1.1.0`] : []),
        'upgraded: runs 1.1.0',
        'restarting: restarting the replicas one by one',
        'restarted: all replicas were restarted',
        'rolling-back: rolling back from 1.1.0 to 1.0.0',
        'upgraded: runs 1.0.0',
      ]) {
        assert.ok(texts.includes(text), `${text} is missing in ${texts.join('\n')}`);
      }
      await remove(name);
    });
  }

  const broken: [string, string, RegExp, string][] = [
    [
      'is never healthy',
      '2.0.0',
      /health check got 500 at \/health; last log line: 2\.0\.0 cannot read/,
      '2.0.0 cannot read its sensors',
    ],
    ['cannot be built', '2.1.0', /^building on node\d: npm install failed with exit code 3; last log line: /, ''],
    ['ends at once', '2.2.0', /^starting on node\d: the app exited with code 7.*no luck/, 'no luck'],
  ];
  for (const [what, version, reason, line] of broken) {
    test(`a version that ${what} is rolled back by itself, with the reason, and no request fails`, async () => {
      const name = `broken-${version.replaceAll('.', '-')}`;
      const before = await running(name, 2);
      await using clients = busy(before.endpoint ?? '');
      await ask(UPGRADE, name, { version });
      const after = await eventually(
        async () => {
          const now = await api.instance(name);
          return now.rollout?.state === 'rolled back' && now.replicas.length === 2 ? now : null;
        },
        { deadlineMs: 60_000 },
      );
      await clients.noneFailed();
      assert.deepEqual([after.version, after.generation, after.state], ['1.0.0', 1, 'running']);
      assert.match(after.rollout?.reason ?? '', reason);
      assert.ok(after.rollout?.lastLogLines?.length, 'the last lines come along');
      if (line) assert.ok(after.rollout?.lastLogLines?.includes(line));
      assert.deepEqual(
        after.replicas.map(({ id, state }) => [id, state]),
        before.replicas.map(({ id }) => [id, 'healthy']),
      );
      const told = (await eventsOf(name)).find(({ kind }) => kind === 'rolled-back')?.text ?? '';
      const begins = `upgrade to ${version} was rolled back: `;
      assert.ok(told.startsWith(begins), told);
      assert.match(told.slice(begins.length), reason);
      await eventually(() => processesOf(name) === 2);
      // Nothing of it is in the way of the next one, whose generation is a new one.
      await ask(UPGRADE, name, { version: '1.1.0' });
      assert.equal((await steady(name, '1.1.0', 2)).generation, 3);
      await remove(name);
    });
  }

  test('settings are kept, changed where asked, and held to what the new version wants', async () => {
    const config = [
      { key: 'ROOM', type: 'string' },
      { key: 'LIMIT', type: 'number', default: 26 },
      { key: 'KEY', type: 'string', secret: true },
    ];
    const app = (version: string, entries: object[]): Files => {
      const files = versionOf(version, { config: entries });
      return { ...files, 'app.json': (files['app.json'] ?? '').replace('"name":"app"', '"name":"keeper"') };
    };
    await api.provide(app('1.0.0', config));
    await api.provide(app('1.1.0', [...config, { key: 'FLOOR', type: 'string', required: true }]));
    await api.provide(app('1.2.0', config.slice(1)));
    await api.provide(app('1.3.0', [{ key: 'LIMIT', type: 'number', max: 20 }]));
    const name = 'kept';
    await api.deploy('keeper', {
      version: '1.0.0',
      instanceName: name,
      config: { ROOM: 'Lab', KEY: 'a planted secret' },
    });
    const { endpoint } = await api.reaches(name, 'running');
    const settings = async (): Promise<unknown> => (await fetch(`${endpoint}/settings`)).json();
    const upgrade = (version: string, more?: object): Promise<Response> =>
      api.request('POST', UPGRADE, { instanceName: name, version, ...more });
    const missing = await refused(await upgrade('1.1.0'), 422, 'AVK_UNACCEPTABLE');
    assert.deepEqual(
      missing.errors.map(({ path }) => path),
      ['config.FLOOR'],
    );
    const tooMuch = await refused(await upgrade('1.3.0'), 422, 'AVK_UNACCEPTABLE');
    assert.deepEqual(
      tooMuch.errors.map(({ path, message }) => [path, message]),
      [['config.LIMIT', 'expected at most 20']],
    );
    await refused(await upgrade('1.2.0', { config: { ROOM: 'Hall' } }), 422, 'AVK_UNACCEPTABLE');
    const unknown = await refused(await upgrade('9.9.9'), 422, 'AVK_UNACCEPTABLE');
    assert.match(unknown.detail, /keeper has no version 9\.9\.9; there is 1\.3\.0, 1\.2\.0, 1\.1\.0, 1\.0\.0/);

    assert.equal((await upgrade('1.2.0', { config: { LIMIT: 30 } })).status, 202);
    await steady(name, '1.2.0', 1);
    assert.deepEqual(await settings(), { LIMIT: '30', KEY: 'a planted secret' });
    assert.deepEqual((await api.instance(name)).config, { LIMIT: 30, KEY: '********' });
    const note = (await eventsOf(name)).find(({ kind }) => kind === 'upgrading')?.text;
    assert.equal(note, 'upgrading from 1.0.0 to 1.2.0; settings not kept: ROOM');

    await ask(ROLLBACK, name);
    await steady(name, '1.0.0', 1);
    // What is set now counts; what only the earlier version knew is as it was then.
    assert.deepEqual(await settings(), { ROOM: 'Lab', LIMIT: '30', KEY: 'a planted secret' });

    const { generation } = await api.instance(name);
    assert.equal((await upgrade('1.0.0')).status, 202);
    const same = await api.instance(name);
    assert.deepEqual([same.generation, same.rollout], [generation, undefined], 'nothing to do');
    assert.equal((await upgrade('1.0.0', { config: { ROOM: 'Attic' } })).status, 202);
    await eventually(async () => ((await settings()) as { ROOM: string }).ROOM === 'Attic');
    await remove(name);
    assert.ok(!platform.output().includes('a planted secret'));
  });

  test('what cannot be upgraded, rolled back or restarted is said, and whose it is not is not found', async () => {
    const name = 'plain';
    await running(name);
    const never = await refused(await api.request('POST', ROLLBACK, { instanceName: name }), 409, 'AVK_CONFLICT');
    assert.match(never.detail, /plain has run no other version than 1\.0\.0/);
    await refused(await api.request('POST', ROLLBACK, { instanceName: name, version: '9.0.0' }), 422);
    await refused(await api.request('POST', UPGRADE, { instanceName: name }), 422);
    await refused(await api.request('POST', UPGRADE, { instanceName: name, version: '1.1.0', speed: 9 }), 422);
    const eve = await newUser(platform.url, await signIn(platform.url), 'Eve', 'user');
    for (const path of [UPGRADE, ROLLBACK, RESTART]) {
      const body = { instanceName: name, ...(path === UPGRADE ? { version: '1.1.0' } : {}) };
      await refused(await eve.request('POST', path, body), 404, 'AVK_NOT_FOUND');
      await refused(await api.request('POST', path, { ...body, instanceName: 'nobody' }), 404, 'AVK_NOT_FOUND');
    }
    await remove(name);
    for (const path of [UPGRADE, ROLLBACK, RESTART]) {
      const body = { instanceName: name, ...(path === UPGRADE ? { version: '1.1.0' } : {}) };
      const { detail } = await refused(await api.request('POST', path, body), 409, 'AVK_CONFLICT');
      assert.match(detail, /plain is stopped; only a running instance can be .*: deploy it anew/);
    }
  });

  test('versions can be gone back to one after the other, and forward again', async () => {
    const name = 'history';
    await running(name);
    for (const version of ['1.1.0', '1.2.0']) {
      await ask(UPGRADE, name, { version });
      await steady(name, version, 1);
    }
    await ask(ROLLBACK, name);
    await ask(ROLLBACK, name);
    await steady(name, '1.1.0', 1);
    await ask(ROLLBACK, name);
    await steady(name, '1.0.0', 1);
    await refused(await api.request('POST', ROLLBACK, { instanceName: name }), 409);
    await ask(ROLLBACK, name, { version: '1.2.0' });
    await steady(name, '1.2.0', 1);
    await remove(name);
  });

  test('scaling while a new version comes in counts, and no request fails', async () => {
    const name = 'scaled';
    const { endpoint } = await running(name, 2);
    await using clients = busy(endpoint ?? '');
    await ask(UPGRADE, name, { version: '1.1.0' });
    await api.post('/api/deployedApps/scale/', { instanceName: name, replicas: 4 });
    const four = await steady(name, '1.1.0', 4);
    assert.deepEqual([four.scale.min, four.scale.max], [4, 4]);
    await ask(UPGRADE, name, { version: '1.2.0' });
    await api.post('/api/deployedApps/scale/', { instanceName: name, replicas: 1 });
    await steady(name, '1.2.0', 1);
    await clients.noneFailed();
    await remove(name);
  });

  test('a newer wish replaces one under way; a stop and a cancel end it', async () => {
    const name = 'replaced';
    await running(name, 2);
    await ask(UPGRADE, name, { version: '2.0.0' });
    await ask(UPGRADE, name, { version: '2.0.0' });
    await eventually(async () => (await api.instance(name)).replicas.some(({ generation }) => generation === 2));
    await ask(UPGRADE, name, { version: '1.2.0' });
    assert.equal((await steady(name, '1.2.0', 2)).generation, 3, 'the same wish twice is one');

    await ask(UPGRADE, name, { version: '2.0.0' });
    await eventually(async () => (await api.instance(name)).replicas.length === 3);
    await ask('/api/deployedApps/cancel/', name);
    const cancelled = await steady(name, '1.2.0', 2);
    assert.deepEqual(cancelled.rollout, { version: '2.0.0', state: 'rolled back', reason: 'cancelled on request' });
    await eventually(() => processesOf(name) === 2);

    await ask(UPGRADE, name, { version: '2.0.0' });
    await eventually(async () => (await api.instance(name)).replicas.length === 3);
    await remove(name);
    assert.equal((await api.instance(name)).rollout, undefined);
    await eventually(() => processesOf(name) === 0);
  });
});
