import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Api, signIn } from '../support/api.ts';
import { appOf, webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { imagesOf } from '../support/machine.ts';
import { type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { follow, newUser, refused } from './http.support.ts';

describe('versions come and go', () => {
  let home: Home;
  let platform: TestPlatform;
  let admin: Api;
  let dora: Api;
  let dave: Api;

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home, flags: ['--keep-versions', '3', '--nodes', '2'] });
    admin = await signIn(platform.url);
    dora = await newUser(platform.url, admin, 'dora', 'developer');
    dave = await newUser(platform.url, admin, 'dave', 'developer');
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    home.remove();
  });

  const remove = (api: Api, app: string, version: string): Promise<Response> =>
    api.request('DELETE', `/api/baseApp/${app}/${encodeURIComponent(version)}/`);
  const provide = (api: Api, app: string, ...versions: string[]): Promise<void> =>
    versions.reduce((before, version) => before.then(() => api.provide(webApp(app, { version }))), Promise.resolve());

  async function versionsOf(name: string): Promise<string[]> {
    const { apps } = await admin.get<{ apps: { name: string; versions: { version: string }[] }[] }>(
      '/api/baseApp/getapps/',
    );
    return apps.find((app) => app.name === name)?.versions.map(({ version }) => version) ?? [];
  }

  /** The zips of an app in the catalogue's blob container; each has a pointer of that name. */
  function zipsOf(app: string): string[] {
    const paths = readdirSync(join(home.directory, 'blobs'), { recursive: true, encoding: 'utf8' });
    return paths.filter((path) => path.startsWith(`baseApps/keys/${app}/`) && path.includes('.zip'));
  }

  async function runAndStop(api: Api, app: string, version: string): Promise<void> {
    const name = await api.deploy(app, { version, instanceName: `passing-${app}` });
    await api.reaches(name, 'running');
    await api.stop(name);
    await api.reaches(name, 'stopped');
  }

  test('a developer removes a version of their own, with its zip and its images', async () => {
    await provide(dora, 'removable', '1.0.0', '1.0.1+build.5');
    await runAndStop(dora, 'removable', '1.0.1+build.5');
    assert.equal(imagesOf(home, 'removable').length, 1);
    const before = zipsOf('removable').length;
    assert.ok(before > 0);
    assert.deepEqual(await (await remove(dora, 'removable', '1.0.1+build.5')).json(), {});
    assert.deepEqual(await versionsOf('removable'), ['1.0.0']);
    await eventually(() => imagesOf(home, 'removable').length === 0 && zipsOf('removable').length < before);
    const gone = await remove(dora, 'removable', '1.0.1+build.5');
    assert.match((await refused(gone, 404, 'AVK_NOT_FOUND')).detail, /no app removable of version 1\.0\.1\+build\.5/);
    assert.equal((await remove(dora, 'REMOVABLE', '1.0.0')).status, 200);
    assert.deepEqual(await versionsOf('removable'), []);
    await eventually(() => zipsOf('removable').length === 0);
  });

  test('the live stream tells everybody that the catalogue has changed', async () => {
    const stream = await follow(dave, platform.url, '/api/events/stream');
    const about = (): unknown[] =>
      stream.events.filter(({ event }) => event === 'catalogue').map(({ data }) => data.app);
    await provide(dora, 'newcomer', '1.0.0');
    await eventually(() => about().length === 1);
    assert.equal((await dora.upload(webApp('newcomer', { version: '1.0.0' }))).status, 200);
    assert.equal((await remove(dora, 'newcomer', '1.0.0')).status, 200);
    await eventually(() => about().length === 2);
    assert.deepEqual(about(), ['newcomer', 'newcomer']);
    stream.close();
  });

  test("a version of somebody else's is for administrators to remove", async () => {
    await provide(dora, 'hers', '1.0.0');
    const problem = await refused(await remove(dave, 'hers', '1.0.0'), 403, 'AVK_FORBIDDEN');
    assert.match(problem.detail, /uploaded by dora/);
    const user = await newUser(platform.url, admin, 'ursula', 'user');
    await refused(await remove(user, 'hers', '1.0.0'), 403, 'AVK_FORBIDDEN');
    assert.deepEqual(await versionsOf('hers'), ['1.0.0']);
    assert.equal((await remove(admin, 'hers', '1.0.0')).status, 200);
  });

  test('a version that is coming in, or that a schedule is to deploy, stays', async () => {
    await provide(dora, 'awaited', '1.0.0');
    const silent = appOf('awaited', 'setInterval(() => {}, 1000);', {
      version: '2.0.0',
      health: { path: '/', startSeconds: 60 },
    });
    await dora.provide(silent);
    const name = await dora.deploy('awaited', { version: '1.0.0', instanceName: 'waits' });
    await dora.reaches(name, 'running');
    await dora.post('/api/deployedApps/upgrade/', { instanceName: name, version: '2.0.0' });
    const coming = await refused(await remove(dora, 'awaited', '2.0.0'), 409, 'AVK_CONFLICT');
    assert.match(coming.detail, /awaited 2\.0\.0 is used by waits/);
    await dora.post('/api/deployedApps/cancel/', { instanceName: name });
    await eventually(async () => (await remove(dora, 'awaited', '2.0.0')).status === 200);
    await dora.stop(name);
    await dora.reaches(name, 'stopped');
    const { scheduleId } = await dora.post<{ scheduleId: string }>('/api/deployedApps/scheduleApp/', {
      appName: 'awaited',
      version: '1.0.0',
      instanceName: 'later',
      start: new Date(Date.now() + 3_600_000).toISOString(),
    });
    const scheduled = await refused(await remove(dora, 'awaited', '1.0.0'), 409, 'AVK_CONFLICT');
    assert.match(scheduled.detail, /used by the schedule of later/);
    assert.equal((await dora.request('DELETE', `/api/schedules/${scheduleId}/`)).status, 200);
    assert.equal((await remove(dora, 'awaited', '1.0.0')).status, 200);
  });

  test('a version that an instance uses stays, and so does the one it ran before', async () => {
    await provide(dora, 'used', '1.0.0', '2.0.0');
    const name = await dora.deploy('used', { version: '1.0.0', instanceName: 'user-of-it' });
    await dora.reaches(name, 'running');
    const conflict = await refused(await remove(dora, 'used', '1.0.0'), 409, 'AVK_CONFLICT');
    assert.match(conflict.detail, /used 1\.0\.0 is used by user-of-it; stop or delete that first/);
    await dora.stop(name);
    await dora.reaches(name, 'stopped');
    await dora.deploy('used', { version: '2.0.0', instanceName: name });
    await dora.reaches(name, 'running');
    const fallback = await refused(await remove(dora, 'used', '1.0.0'), 409, 'AVK_CONFLICT');
    assert.match(fallback.detail, /user-of-it, for a rollback/);
    await dora.stop(name);
    await dora.reaches(name, 'stopped');
    assert.equal((await remove(dora, 'used', '1.0.0')).status, 200);
  });

  test('a version that was removed can be uploaded and deployed again, with other bytes', async () => {
    await provide(dora, 'again', '1.0.0');
    await runAndStop(dora, 'again', '1.0.0');
    assert.equal((await remove(dora, 'again', '1.0.0')).status, 200);
    assert.equal((await dora.upload(webApp('again', { description: 'other bytes' }))).status, 201);
    await runAndStop(dora, 'again', '1.0.0');
    // The same bytes again, at once: what clears the removed ones away must not take these.
    assert.equal((await remove(dora, 'again', '1.0.0')).status, 200);
    assert.equal((await dora.upload(webApp('again', { description: 'other bytes' }))).status, 201);
    await runAndStop(dora, 'again', '1.0.0');
  });

  test('old versions go when new ones come, but not those in use', async () => {
    await provide(dora, 'aging', '1', '2');
    await runAndStop(dora, 'aging', '1');
    const name = await dora.deploy('aging', { version: '2' });
    await dora.reaches(name, 'running');
    await provide(dora, 'aging', '3');
    assert.deepEqual(await versionsOf('aging'), ['3', '2', '1']);
    await provide(dora, 'aging', '4', '5', '6');
    assert.deepEqual(await versionsOf('aging'), ['6', '5', '4', '2']);
    await eventually(() => imagesOf(home, 'aging').length === 1);
    const log = readFileSync(join(home.directory, 'logs', 'application-manager_logs.log'), 'utf8');
    assert.match(log, /"versions":\["1"\].*old versions were removed/);
    await dora.stop(name);
    await dora.reaches(name, 'stopped');
    // The same bytes again are no new version, so nothing goes.
    assert.equal((await dora.upload(webApp('aging', { version: '6' }))).status, 200);
    assert.deepEqual(await versionsOf('aging'), ['6', '5', '4', '2']);
    await provide(dora, 'aging', '7');
    assert.deepEqual(await versionsOf('aging'), ['7', '6', '5']);
  });
});
