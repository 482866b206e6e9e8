import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Api, type Instance, signIn } from '../support/api.ts';
import { appOf, webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { FLEET, type Home, newHome, PASSWORD, startPlatform, type TestPlatform } from '../support/platform.ts';
import { outlivedBy } from '../support/processes.ts';
import { askableApp, refused } from './http.support.ts';

const DEPLOY = '/api/deployedApps/deployApp/';
const SECRET = 'planted-Zq81-secret-of-the-settings';

/** Settings of every kind. */
const config = [
  { key: 'THRESHOLD', type: 'number', default: 26, min: 10, max: 40 },
  { key: 'LOUD', type: 'boolean', default: false },
  { key: 'UNIT', type: 'enum', values: ['C', 'F'], default: 'C' },
  { key: 'PLACE', type: 'string', required: true },
  { key: 'API_KEY', type: 'string', secret: true },
  { key: 'PIN', type: 'number', secret: true },
];

describe('instances', () => {
  let home: Home;
  let platform: TestPlatform;
  let api: Api;

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home, env: { PLANTED_IN_THE_PLATFORM: 'yes' } });
    api = await signIn(platform.url);
    await api.provide(webApp('web'));
    await api.provide(askableApp('typed', { config, env: { LOG_LEVEL: 'info' } }));
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    assert.deepEqual(outlivedBy(home.directory), []);
    home.remove();
  });

  async function ends(...names: string[]): Promise<void> {
    await Promise.all(names.map((name) => api.stop(name)));
    await Promise.all(names.map((name) => api.reaches(name, 'stopped')));
  }

  test('settings of the wrong type, out of range, unknown or missing are 422, each naming its key', async () => {
    const cases: [Record<string, unknown>, string[]][] = [
      [{ PLACE: 'hall', THRESHOLD: '26' }, ['config.THRESHOLD']],
      [{ PLACE: 'hall', THRESHOLD: 41 }, ['config.THRESHOLD']],
      [{ PLACE: 'hall', LOUD: 'yes' }, ['config.LOUD']],
      [{ PLACE: 'hall', UNIT: 'K' }, ['config.UNIT']],
      [{ PLACE: 7 }, ['config.PLACE']],
      [{}, ['config.PLACE']],
      [{ PLACE: 'hall', threshold: 20 }, ['config.threshold']],
      [{ PLACE: 'hall', PORT: 1, __proto__: null, toString: 1 }, ['config.PORT', 'config.toString']],
      [{ LOUD: 1, UNIT: 'K' }, ['config.LOUD', 'config.PLACE', 'config.UNIT']],
    ];
    for (const [given, paths] of cases) {
      const response = await api.request('POST', DEPLOY, { appName: 'typed', config: given });
      const { errors, detail } = await refused(response, 422, 'AVK_UNACCEPTABLE');
      assert.deepEqual(errors.map(({ path }) => path).sort(), paths);
      assert.ok(
        paths.some((path) => detail.includes(path)),
        detail,
      );
    }
    const notSecret = await api.request('POST', DEPLOY, { appName: 'typed', config: { PLACE: 'h', UNIT: 'K' } });
    const [error] = (await refused(notSecret, 422)).errors;
    assert.match(error?.message ?? '', /C, F/);
    assert.match(error?.received ?? '', /K/);
    assert.deepEqual(await api.instances(), []);
  });

  test('a secret of the wrong type is refused without repeating it', async () => {
    for (const given of [{ PIN: SECRET }, { API_KEY: [SECRET] }, { API_KEY: { deep: SECRET } }, SECRET, [SECRET]]) {
      const body = {
        appName: 'typed',
        config: typeof given === 'object' && !Array.isArray(given) ? { PLACE: 'hall', ...given } : given,
      };
      const text = JSON.stringify(await refused(await api.request('POST', DEPLOY, body), 422));
      assert.ok(!text.includes(SECRET), text);
    }
    const elsewhere = { appName: 'typed', config: { PLACE: 'hall', API_KEY: SECRET }, colour: SECRET };
    const text = JSON.stringify(await refused(await api.request('POST', DEPLOY, elsewhere), 422));
    assert.ok(!text.includes(SECRET), text);
  });

  test('a secret reaches the app and nobody else: masked in answers, in clear in no file', async () => {
    const given = { PLACE: 'hall', API_KEY: SECRET, PIN: 7_351_964_820, THRESHOLD: 30.5, LOUD: true };
    const headers = { 'idempotency-key': 'with a secret' };
    const body = { appName: 'typed', instanceName: 'keeper', config: given };
    assert.equal((await api.request('POST', DEPLOY, body, headers)).status, 202);
    const { endpoint } = await api.reaches('keeper', 'running');
    const env = (await (await fetch(`${endpoint}/env`)).json()) as Record<string, string>;
    assert.equal(env.API_KEY, SECRET);
    assert.equal(env.PIN, '7351964820');
    assert.deepEqual(
      [env.PLACE, env.THRESHOLD, env.LOUD, env.UNIT, env.LOG_LEVEL],
      ['hall', '30.5', 'true', 'C', 'info'],
    );

    const shown = await api.get<{ config: Record<string, unknown> }>('/api/deployedApps/keeper');
    assert.deepEqual(shown.config, {
      THRESHOLD: 30.5,
      LOUD: true,
      UNIT: 'C',
      PLACE: 'hall',
      API_KEY: '********',
      PIN: '********',
    });
    const nowhere = (): void => {
      for (const secret of [SECRET, '7351964820', Buffer.from(SECRET).toString('base64').slice(0, 40)]) {
        assert.deepEqual(filesWith(home.directory, secret), []);
      }
      assert.ok(!platform.output().includes(SECRET));
    };
    nowhere();
    await api.post('/api/deployedApps/scale/', { instanceName: 'keeper', replicas: 2 });
    await eventually(async () => healthy(await api.instance('keeper')).length === 2);
    nowhere();
    for (const path of ['/getDeployedApps/', '/keeper/events', '/keeper/logs', '/keeper/logs?build=true']) {
      const text = await (await api.request('GET', `/api/deployedApps${path}`)).text();
      assert.ok(!text.includes(SECRET), path);
    }
    await ends('keeper');
    nowhere();
    assert.equal(filesWith(home.directory, 'LOG_LEVEL').length > 0, true, 'the search finds what is there');
  });

  test('an app is told its port, names and settings, and nothing of the platform’s environment', async () => {
    await api.deploy('typed', { instanceName: 'asked', config: { PLACE: 'hall' } });
    const { endpoint, replicas } = await api.reaches('asked', 'running');
    const env = (await (await fetch(`${endpoint}/env`)).json()) as Record<string, string>;
    const told = ['AVISHKAR_INSTANCE', 'AVISHKAR_REPLICA', 'LOG_LEVEL', 'PORT'];
    const settings = ['LOUD', 'PLACE', 'THRESHOLD', 'UNIT'];
    const here = FLEET === null ? 'AVISHKAR_REPLICA_ID' : 'HOSTNAME';
    const surroundings = ['HOME', 'LANG', 'NODE_ENV', 'PATH', 'TMPDIR', here];
    assert.deepEqual(Object.keys(env).sort(), [...told, ...settings, ...surroundings].sort());
    assert.equal(env.AVISHKAR_INSTANCE, 'asked');
    assert.equal(env.AVISHKAR_REPLICA, 'asked_instance_1');
    if (FLEET === null) assert.equal(env.PORT, String(replicas[0]?.hostPort));
    assert.notEqual(env.HOME, process.env.HOME);
    assert.ok(!JSON.stringify(env).includes(PASSWORD));
    await ends('asked');
  });

  test('the same Idempotency-Key gets the same answer, another body or user does not', async () => {
    const headers = { 'idempotency-key': 'once-1' };
    const body = { appName: 'web', instanceName: 'once' };
    const ask = (what: unknown, more = headers) => api.request('POST', DEPLOY, what, more);
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask(body)));
    assert.deepEqual(
      answers.map(({ status }) => status),
      Array(5).fill(202),
    );
    const texts = await Promise.all(answers.map((answer) => answer.text()));
    assert.equal(new Set(texts).size, 1, texts.join('\n'));
    await api.reaches('once', 'running');
    assert.equal(await (await ask(body)).text(), texts[0], 'also when it runs');
    await refused(await ask({ ...body, instanceName: 'twice' }), 422, 'AVK_UNACCEPTABLE');
    await refused(await ask(body, { 'idempotency-key': 'once-2' }), 409, 'AVK_NAME_TAKEN');
    await refused(await ask(body, { 'idempotency-key': 'x'.repeat(201) }), 400);
    assert.equal((await api.instance('once')).generation, 1);
    await ends('once');
  });

  test('an instance without a name gets the first free number of its app', async () => {
    const names = [
      await api.deploy('web'),
      await api.deploy('WEB'),
      await api.deploy('web', { instanceName: 'web-4' }),
    ];
    assert.deepEqual(names, ['web-1', 'web-2', 'web-4']);
    await api.reaches('web-1', 'running');
    await ends('web-1');
    assert.equal(await api.deploy('web'), 'web-1');
    for (const name of ['web-1', 'web-2', 'web-4']) await api.reaches(name, 'running');
    await ends('web-1', 'web-2', 'web-4');
  });

  test('names that break the rule or are reserved are 422, an unknown app 404, an unknown version 422', async () => {
    const bad = [
      '',
      '1st',
      '-x',
      'a b',
      'a/b',
      'a.b',
      'café',
      `a${'b'.repeat(63)}`,
      'a\n',
      'scale',
      'GETDEPLOYEDAPPS',
      'LoadBalancer',
      'default',
    ];
    for (const instanceName of bad) {
      const response = await api.request('POST', DEPLOY, { appName: 'web', instanceName });
      const { errors } = await refused(response, 422, 'AVK_UNACCEPTABLE');
      assert.deepEqual(
        errors.map(({ path, received }) => [path, received]),
        [['instanceName', instanceName]],
      );
    }
    const longest = `a${'b'.repeat(62)}`;
    await api.deploy('web', { instanceName: longest });
    await api.reaches(longest, 'running');
    await ends(longest);
    await refused(await api.request('POST', DEPLOY, { appName: 'nothing' }), 404, 'AVK_NOT_FOUND');
    const version = await api.request('POST', DEPLOY, { appName: 'web', version: '9.9.9' });
    assert.match((await refused(version, 422, 'AVK_UNACCEPTABLE')).detail, /9\.9\.9.*1\.0\.0/);
  });

  test('a live instance’s name is taken, without regard to case; it shows while it is on its way up', async () => {
    const scripts = { preinstall: 'node -e "setInterval(() => {}, 1000)"' };
    await api.provide({ ...webApp('slow'), 'package.json': JSON.stringify({ scripts }) });
    await api.deploy('slow', { instanceName: 'crawler' });
    const inProgress = async () =>
      (await api.get<{ apps: Instance[] }>('/api/deployedApps/getDeployInProgressApps/')).apps;
    const [shown] = await eventually(async () => {
      const apps = await inProgress();
      return apps[0]?.state === 'building' ? apps : null;
    });
    assert.equal(shown?.instanceName, 'crawler');
    assert.equal(shown?.endpoint, null);
    assert.equal(shown?.node, 'node1');
    for (const instanceName of ['crawler', 'CRAWLER']) {
      const response = await api.request('POST', DEPLOY, { appName: 'web', instanceName });
      assert.match((await refused(response, 409, 'AVK_NAME_TAKEN')).detail, /building/);
    }
    await refused(
      await api.request('POST', '/api/deployedApps/scale/', { instanceName: 'crawler', replicas: 2 }),
      409,
      'AVK_CONFLICT',
    );
    await api.post('/api/deployedApps/cancel/', { instanceName: 'crawler' });
    await api.reaches('crawler', 'cancelled');
    assert.deepEqual(await inProgress(), []);
  });

  test('a redeployment after a stop is a new generation and keeps nothing of the old one', async () => {
    await api.deploy('typed', {
      instanceName: 'again',
      config: { PLACE: 'old', API_KEY: SECRET },
      scale: { min: 2, max: 4 },
    });
    const old = await eventually(async () => {
      const instance = await api.reaches('again', 'running');
      return healthy(instance).length === 2 ? instance : null;
    });
    await fetch(`${old.endpoint}/print?text=of-the-old`);
    await ends('again');
    const stopped = await api.instance('again');
    assert.deepEqual([stopped.endpoint, stopped.replicas, stopped.generation], [null, [], 1]);
    await api.deploy('typed', { instanceName: 'Again', config: { PLACE: 'new' } });
    const fresh = await api.reaches('again', 'running');
    assert.equal(fresh.generation, 2);
    assert.equal(fresh.instanceName, 'Again');
    assert.deepEqual(
      fresh.replicas.map(({ name, restarts }) => [name, restarts]),
      [['Again_instance_1', 0]],
    );
    assert.ok(!old.replicas.some(({ id }) => id === fresh.replicas[0]?.id));
    const env = (await (await fetch(`${fresh.endpoint}/env`)).json()) as Record<string, string>;
    assert.deepEqual([env.PLACE, env.API_KEY], ['new', undefined]);
    const { config, scale } = await api.get<{ config: object; scale: { min: number; max: number } }>(
      '/api/deployedApps/again',
    );
    assert.deepEqual(config, { THRESHOLD: 26, LOUD: false, UNIT: 'C', PLACE: 'new' });
    assert.deepEqual([scale.min, scale.max], [1, 5]);
    const logs = await (await api.request('GET', '/api/deployedApps/again/logs')).text();
    assert.ok(!logs.includes('of-the-old'), logs);
    await ends('again');
  });

  test('the same bytes again are 200, other bytes of a version or another spelling of a name 409', async () => {
    const first = await api.upload(webApp('catalogued'));
    const again = await api.upload(webApp('catalogued'));
    assert.deepEqual([first.status, again.status], [201, 200]);
    const version = (await first.json()) as Record<string, unknown>;
    assert.deepEqual(await again.json(), version);
    assert.deepEqual(Object.keys(version).sort(), ['manifest', 'name', 'sha256', 'sizeBytes', 'version']);
    await refused(await api.upload(webApp('catalogued', { description: 'other' })), 409, 'AVK_VERSION_EXISTS');
    await refused(await api.upload(webApp('Catalogued', { version: '2.0.0' })), 409, 'AVK_NAME_TAKEN');
    assert.equal((await api.upload(webApp('catalogued', { version: '2.0.0' }))).status, 201);
    const { apps } = await api.get<{ apps: { name: string; versions: { version: string; uploadedBy: string }[] }[] }>(
      '/api/baseApp/getapps/',
    );
    const listed = apps.filter(({ name }) => name.toLowerCase() === 'catalogued');
    assert.deepEqual(
      listed.map(({ name, versions }) => [name, versions.map((one) => [one.version, one.uploadedBy])]),
      [
        [
          'catalogued',
          [
            ['2.0.0', 'admin'],
            ['1.0.0', 'admin'],
          ],
        ],
      ],
    );
    const available = async (name: string) =>
      (await api.post<{ available: boolean }>('/api/baseApp/checkfilename/', { name })).available;
    assert.deepEqual(
      await Promise.all(['catalogued', 'CATALOGUED', 'catalogued.zip', 'fresh', 'upload'].map(available)),
      [false, false, false, true, false],
    );
    await refused(await api.upload(appOf('broken', '', { entry: '../main.js' })), 422, 'AVK_BAD_MANIFEST');
  });
});

function healthy(instance: Instance): Instance['replicas'] {
  return instance.replicas.filter(({ state }) => state === 'healthy');
}

/** The files below the folder that hold the text. */
function filesWith(folder: string, text: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    try {
      if (readFileSync(path).includes(text)) found.push(path);
    } catch (error) {
      // It was removed meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return found;
}
