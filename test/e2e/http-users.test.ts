import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { importJWK, type JWK, SignJWT } from 'jose';
import { type Api, apiWith, signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, newHome, PASSWORD, startPlatform, type TestPlatform } from '../support/platform.ts';
import { newUser, refused } from './http.support.ts';

describe('users and roles', () => {
  let home: Home;
  let platform: TestPlatform;
  let admin: Api;
  let developer: Api;
  let alice: Api;
  let bob: Api;

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home });
    admin = await signIn(platform.url);
    developer = await newUser(platform.url, admin, 'Dora', 'developer');
    alice = await newUser(platform.url, admin, 'Alice', 'user');
    bob = await newUser(platform.url, admin, 'Bob', 'user');
    await developer.provide(webApp('web'));
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    home.remove();
  });

  /** A request as it is, without a token unless it is among the headers. */
  function send(method: string, path: string, body?: string, headers: Record<string, string> = {}): Promise<Response> {
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    return fetch(`${platform.url}${path}`, {
      method,
      headers: { ...type, ...headers },
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(30_000),
    });
  }
  const login = (username: string, password: string, headers: Record<string, string> = {}) =>
    send('POST', '/api/auth/login/', JSON.stringify({ username, password }), headers);

  /** A token signed with the platform's own key. */
  async function signed(subject: string, expiresAt: number): Promise<string> {
    const key = JSON.parse(readFileSync(join(home.directory, 'keys', 'token.jwk'), 'utf8')) as JWK;
    return new SignJWT({ kind: 'user', role: 'admin' })
      .setProtectedHeader({ alg: 'EdDSA' })
      .setIssuer('avishkar')
      .setSubject(subject)
      .setIssuedAt(expiresAt - 3600)
      .setExpirationTime(expiresAt)
      .sign(await importJWK(key, 'EdDSA'));
  }

  test('a login answers with a token, the role and when it ends', async () => {
    const response = await login('dora', 'Dora has a long password');
    assert.equal(response.status, 200);
    const { token, role, expiresAt } = (await response.json()) as Record<string, string>;
    assert.match(token ?? '', /^[\w-]+\.[\w-]+\.[\w-]+$/);
    assert.equal(role, 'developer');
    assert.ok(Date.parse(expiresAt ?? '') > Date.now());
  });

  test('a wrong password and an unknown user get the same 401', async () => {
    const wrong = await refused(await login('alice', 'not her password'), 401, 'AVK_UNAUTHENTICATED');
    const unknown = await refused(await login('mallory', 'not her password'), 401, 'AVK_UNAUTHENTICATED');
    assert.deepEqual(wrong, unknown);
  });

  test('no token, garbage, a stranger’s signature and an expired token are all 401', async () => {
    const now = Math.floor(Date.now() / 1000);
    const good = await signed('admin', now + 60);
    assert.equal(
      (await apiWith(platform.url, good).request('GET', '/api/nodes/')).status,
      200,
      'the test’s own tokens',
    );
    const forged = `${good.slice(0, -10)}${good.slice(-10).split('').reverse().join('')}`;
    const bad = ['Bearer garbage', 'Bearer ', 'Basic YWRtaW46YWRtaW4=', `Bearer ${forged}`];
    bad.push(`Bearer ${await signed('admin', now - 1)}`);
    for (const path of ['/api/nodes/', '/api/deployedApps/getDeployedApps/', '/get_logs']) {
      await refused(await send('GET', path), 401, 'AVK_UNAUTHENTICATED');
      for (const authorization of bad) {
        await refused(await send('GET', path, undefined, { authorization }), 401, 'AVK_UNAUTHENTICATED');
      }
    }
  });

  test('an expired token does not keep anyone from signing in again', async () => {
    const authorization = `Bearer ${await signed('alice', Math.floor(Date.now() / 1000) - 1)}`;
    assert.equal((await login('alice', 'Alice has a long password', { authorization })).status, 200);
    assert.equal((await send('GET', '/health', undefined, { authorization })).status, 200);
  });

  test('role user neither uploads nor adds users; a developer uploads but adds no users', async () => {
    await refused(await alice.upload(webApp('hers')), 403, 'AVK_FORBIDDEN');
    const body = { username: 'Eve', password: 'long enough a password', role: 'admin' };
    for (const api of [alice, developer]) {
      await refused(await api.request('POST', '/api/auth/register/', body), 403, 'AVK_FORBIDDEN');
      await refused(await api.request('GET', '/get_logs'), 403, 'AVK_FORBIDDEN');
    }
    await refused(await login('Eve', body.password), 401);
    assert.equal((await developer.upload(webApp('theirs'))).status, 201);
  });

  test('user names that differ in case only conflict, and sign in alike', async () => {
    for (const username of ['ALICE', 'alice', 'Admin']) {
      const body = { username, password: 'long enough a password' };
      await refused(await admin.request('POST', '/api/auth/register/', body), 409, 'AVK_NAME_TAKEN');
    }
    assert.equal((await login('ALICE', 'Alice has a long password')).status, 200);
  });

  test('a user name with odd characters and a short password are 422 and the password is not repeated', async () => {
    const password = 'pw-7Q4';
    for (const username of ['', 'two words', '../admin', `a${'b'.repeat(63)}`]) {
      const response = await admin.request('POST', '/api/auth/register/', { username, password });
      const problem = await refused(response, 422, 'AVK_UNACCEPTABLE');
      assert.deepEqual(problem.errors.map(({ path }) => path).sort(), ['password', 'username']);
      assert.ok(!JSON.stringify(problem).includes(password), JSON.stringify(problem));
    }
  });

  test('a user sees and touches own instances only; an administrator all', async () => {
    const name = await alice.deploy('web', { instanceName: 'alices' });
    await alice.reaches(name, 'running');
    const his = await bob.deploy('web', { instanceName: 'bobs' });
    await bob.reaches(his, 'running');
    for (const other of [bob, developer]) {
      for (const path of [
        name,
        `${name}/logs`,
        `${name}/events`,
        `${name}/logs?follow=true`,
        `${name}/logs?build=true`,
      ]) {
        const problem = await refused(await other.request('GET', `/api/deployedApps/${path}`), 404, 'AVK_NOT_FOUND');
        const none = await refused(
          await other.request('GET', `/api/deployedApps/${path.replace(name, 'nobodys')}`),
          404,
        );
        assert.equal(
          problem.detail.replace(name, 'nobodys'),
          none.detail,
          'it says no more than of one that is not there',
        );
      }
      for (const command of ['stopApp', 'cancel', 'scale']) {
        const body = { instanceName: name, ...(command === 'scale' ? { replicas: 2 } : {}) };
        await refused(await other.request('POST', `/api/deployedApps/${command}/`, body), 404, 'AVK_NOT_FOUND');
      }
    }
    const seenBy = async (api: Api) => (await api.instances()).map(({ instanceName }) => instanceName).sort();
    assert.deepEqual(await seenBy(alice), ['alices']);
    assert.deepEqual(await seenBy(bob), ['bobs']);
    assert.deepEqual(await seenBy(developer), []);
    assert.deepEqual(await seenBy(admin), ['alices', 'bobs']);
    await refused(
      await bob.request('POST', '/api/deployedApps/deployApp/', { appName: 'web', instanceName: name }),
      409,
    );
    assert.equal((await alice.instance(name)).state, 'running');
    for (const instance of [name, his]) {
      await admin.stop(instance);
      await admin.reaches(instance, 'stopped');
    }
  });

  test('whoever takes the name of another’s ended instance reads nothing of its past', async () => {
    await alice.deploy('web', { instanceName: 'handed-on' });
    await alice.reaches('handed-on', 'running');
    await alice.stop('handed-on');
    await alice.reaches('handed-on', 'stopped');
    const since = new Date().toISOString();
    await bob.deploy('web', { instanceName: 'handed-on' });
    await bob.reaches('handed-on', 'running');
    const { events } = await bob.get<{ events: { ts: string; kind: string }[] }>('/api/deployedApps/handed-on/events');
    assert.equal(events[0]?.kind, 'requested');
    assert.deepEqual(
      events.filter(({ ts }) => ts < since),
      [],
    );
    await refused(await alice.request('GET', '/api/deployedApps/handed-on'), 404);
    await bob.stop('handed-on');
    await bob.reaches('handed-on', 'stopped');
  });

  test('an authenticated caller is not throttled at 150 requests in a second', async () => {
    const begun = performance.now();
    const answers = await Promise.all(Array.from({ length: 150 }, () => alice.request('GET', '/api/baseApp/getapps/')));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    for (const answer of answers) await answer.text();
    assert.ok(performance.now() - begun < 10_000);
  });

  test('repeated wrong passwords are 429 with the seconds to wait, also many at once, and only for that user', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => login('Bob', `guess number ${n}`)));
    const allowed = answers.filter(({ status }) => status === 401).length;
    assert.ok(allowed >= 3 && allowed <= 10, `${allowed} guesses were looked at`);
    for (const answer of answers) await refused(answer, answer.status === 401 ? 401 : 429);
    const right = await refused(await login('bob', 'Bob has a long password'), 429, 'AVK_TOO_MANY_REQUESTS');
    assert.match(right.detail, /\d+ s/);
    assert.equal((await login('alice', 'Alice has a long password')).status, 200);
    assert.equal((await bob.request('GET', '/api/baseApp/getapps/')).status, 200, 'a token goes on working');
  });

  test('a request that is malformed is 400, one with other keys or types 422 with path and what was received', async () => {
    const authorization = `Bearer ${admin.token}`;
    const deploy = '/api/deployedApps/deployApp/';
    for (const text of ['{', '', '{"appName": "web",}', 'appName=web']) {
      await refused(await send('POST', deploy, text, { authorization }), 400, 'AVK_BAD_REQUEST');
    }
    const types = { appName: 7, instanceName: ['x'], scale: { min: 'two' } };
    const wrong = await refused(await admin.request('POST', deploy, types), 422, 'AVK_UNACCEPTABLE');
    const received = Object.fromEntries(wrong.errors.map((error) => [error.path, error.received]));
    assert.deepEqual(received, { appName: '7', instanceName: 'a list of 1', 'scale.min': 'two' });
    const unknown = await refused(await admin.request('POST', deploy, { appName: 'web', colour: 'red' }), 422);
    assert.match(JSON.stringify(unknown.errors), /colour/);
    const nested = await refused(await admin.request('POST', deploy, { appName: 'web', scale: { mim: 2 } }), 422);
    assert.equal(nested.errors[0]?.path, 'scale');
    assert.match(nested.errors[0]?.message ?? '', /mim/);
    const missing = await refused(await admin.request('POST', deploy, {}), 422);
    assert.equal(missing.errors[0]?.path, 'appName');
    for (const body of [[], 'text', 5, null]) await refused(await admin.request('POST', deploy, body), 422);
  });

  test('a body that is too large is 413, another kind of body is refused', async () => {
    const authorization = `Bearer ${admin.token}`;
    const large = JSON.stringify({ appName: 'web', config: { text: 'x'.repeat(1_100_000) } });
    await refused(await send('POST', '/api/deployedApps/deployApp/', large, { authorization }), 413, 'AVK_TOO_LARGE');
    await refused(await send('POST', '/api/baseApp/upload/', '{}', { authorization }), 400, 'AVK_BAD_REQUEST');
    const type = { authorization, 'content-type': 'text/yaml' };
    await refused(await send('POST', '/api/deployedApps/deployApp/', 'appName: web', type), 415);
  });

  test('bad path parameters and unknown routes are refused as problems; the trailing slash is optional', async () => {
    for (const name of ['1st', 'a%20b', 'x'.repeat(64), 'caf%C3%A9', '..%2fadmin', '%00']) {
      const response = await admin.request('GET', `/api/deployedApps/${name}`);
      assert.ok([400, 404].includes(response.status), `${name}: ${response.status}`);
      await refused(response, response.status);
    }
    for (const query of ['tail=-1', 'tail=many', 'follow=perhaps', 'tail=1e9']) {
      await refused(await admin.request('GET', `/api/deployedApps/alices/logs?${query}`), 400, 'AVK_BAD_REQUEST');
    }
    for (const [method, path] of [
      ['GET', '/api/nothing/'],
      ['PUT', '/api/nodes/'],
      ['GET', '/api/auth/login/'],
    ] as const) {
      await refused(await admin.request(method, path), 404, 'AVK_NOT_FOUND');
      await refused(await send(method, path), 404, 'AVK_NOT_FOUND');
    }
    for (const path of [
      '/api/nodes',
      '/api/baseApp/getapps',
      '/api/deployedApps/getDeployedApps',
      '/api/deployedApps/alices',
    ]) {
      assert.equal((await admin.request('GET', path)).status, 200, path);
      assert.equal((await admin.request('GET', `${path}/`)).status, 200, `${path}/`);
    }
    assert.equal((await send('POST', '/api/auth/login', '{"username":"alice","password":"x"}')).status, 401);
  });

  test('503 comes with Retry-After: no machine is ready right after the platform was suspended', async () => {
    const url = `${platform.url.replace(/\d+$/, '')}${home.slot.port + 3}/nodemgr/get-deploy-node`;
    const asked = () => fetch(url, { headers: { authorization: `Bearer ${alice.token}`, connection: 'close' } });
    const response = await eventually(
      async () => {
        process.kill(platform.pid, 'SIGSTOP');
        // Waits in the listening socket until the platform goes on, long after its last look at the machine.
        const answer = asked();
        try {
          await new Promise((resolve) => setTimeout(resolve, 2000));
        } finally {
          process.kill(platform.pid, 'SIGCONT');
        }
        const got = await answer;
        return got.status === 503 ? got : null;
      },
      { deadlineMs: 15_000 },
    );
    assert.match(response.headers.get('retry-after') ?? '', /^\d+$/);
    assert.match((await refused(response, 503, 'AVK_NO_NODE')).detail, /node1 is (suspect|lost)/);
    await eventually(async () => (await asked()).status === 200);
  });

  test('no password, and no guess of one, is in any log or any error', async () => {
    const planted = 'planted-8fJ2-password';
    const bodies = [
      `{"username":"alice","password":"${planted}"`,
      `{"username":"alice","password":"${planted}"} ${planted}`,
      JSON.stringify({ username: 'alice', password: planted }),
      JSON.stringify({ username: 'alice', password: planted, remember: true }),
      JSON.stringify({ username: 'alice', password: [planted] }),
      JSON.stringify({ username: { password: planted }, password: 7 }),
      JSON.stringify({ password: planted.repeat(100) }),
    ];
    for (const path of ['/api/auth/login/', '/api/auth/register/']) {
      for (const body of bodies) {
        const response = await send(
          'POST',
          path,
          body,
          path.includes('login') ? {} : { authorization: `Bearer ${admin.token}` },
        );
        const text = await response.text();
        assert.ok(response.status >= 400 && response.status < 500, text);
        assert.ok(!text.includes(planted), text);
      }
    }
    const passwords = [planted, PASSWORD, 'has a long password', 'guess number'];
    const logs = readdirSync(join(home.directory, 'logs'));
    assert.ok(logs.length > 0);
    for (const file of logs) {
      const text = readFileSync(join(home.directory, 'logs', file), 'utf8');
      for (const password of passwords) assert.ok(!text.includes(password), `${file} holds ${password}`);
    }
  });
});
