import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Api, apiWith, signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, newHome, PASSWORD, startPlatform, type TestPlatform } from '../support/platform.ts';
import { newUser } from './http.support.ts';

interface Entry {
  id: number;
  at: string;
  actor: string;
  action: string;
  method: string;
  path: string;
  target: string | null;
  status: number;
  from: string;
}

/** Called by POST, as their question is a document. */
const ASKING = ['/api/baseApp/checkfilename/', '/api/schedules/preview/', '/api/nodes/check/', '/machines/check'];
/** Not a call that changes something itself, or written down as what it is: signing in. */
const APART = ['/api/auth/login/', '/login', '/credentials/check', '/audit'];
const ACTING_GETS = ['/api/platform/backup/', '/start', '/stop', '/registerApp', '/deregisterApp', '/nodemgr/log'];
const PLANTED = 'planted-3kV9-secret';

describe('the audit log', () => {
  let home: Home;
  let platform: TestPlatform;
  let admin: Api;
  let services: string[];

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home });
    admin = await signIn(platform.url);
    const status = await admin.get<{ services: { direct: string }[] }>('/api/platform/status/');
    services = status.services.map(({ direct }) => `http://${direct}`);
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    home.remove();
  });

  async function all(): Promise<Entry[]> {
    const { entries } = await admin.get<{ entries: Entry[] }>('/api/audit/?limit=1000');
    return entries;
  }

  /** Waits for an entry that fits. */
  function written(fits: Partial<Entry>): Promise<Entry> {
    const wanted = Object.entries(fits) as [keyof Entry, unknown][];
    return eventually(async () => (await all()).find((entry) => wanted.every(([key, value]) => entry[key] === value)), {
      deadlineMs: 10_000,
    });
  }

  test('says who did what, when, from where, about what, and how it went', async () => {
    const before = Date.now();
    const dora = await newUser(platform.url, admin, 'Dora', 'developer');
    const added = await written({ actor: 'admin', target: 'Dora', path: '/api/auth/register/' });
    assert.deepEqual([added.method, added.status, added.from], ['POST', 201, '127.0.0.1']);
    assert.ok(Date.parse(added.at) >= before - 1000 && Date.parse(added.at) <= Date.now());
    assert.ok(added.action.length > 0);
    await dora.provide(webApp('web'));
    await written({ actor: 'Dora', path: '/api/baseApp/upload/', target: 'web 1.0.0', status: 201 });
    const name = await dora.deploy('web', { instanceName: 'doras' });
    await written({ actor: 'Dora', path: '/api/deployedApps/deployApp/', target: name, status: 202 });
    await dora.stop(name);
    await written({ actor: 'Dora', path: '/api/deployedApps/stopApp/', target: name, status: 202 });
    await dora.request('DELETE', '/api/users/admin/');
    await written({ actor: 'Dora', method: 'DELETE', status: 403 });
    await admin.request('PATCH', '/api/users/Dora/', { role: 'user' });
    await written({ actor: 'admin', method: 'PATCH', path: '/api/users/Dora/', target: 'Dora', status: 200 });
    const made = await admin.post<{ token: string; id: string }>('/api/tokens/', { name: 'robot' });
    await written({ path: '/api/tokens/', target: `admin robot ${made.id}`, status: 201 });
    await apiWith(platform.url, made.token).request('DELETE', '/api/users/nobody/');
    await written({ actor: 'admin (token robot)', target: 'nobody', status: 404 });
  });

  test('sign-ins that went well or not are in it; a name that nobody has is not, as it may be a password', async () => {
    const login = (username: string, password: string) =>
      fetch(`${platform.url}/api/auth/login/`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ username, password }),
      });
    await login('admin', PLANTED);
    await written({ actor: 'admin', path: '/api/auth/login/', status: 401 });
    await login('admin', PASSWORD);
    await written({ actor: 'admin', path: '/api/auth/login/', status: 200 });
    await login(PLANTED, PLANTED);
    const unknown = await written({ actor: 'unknown user', path: '/api/auth/login/', status: 401 });
    assert.equal(unknown.target, null);
    for (let guess = 0; guess < 30; guess += 1) await login('Dora', PLANTED);
    await written({ actor: 'Dora', path: '/api/auth/login/', status: 429 });
    const ofDora = (await all()).filter(({ actor, path }) => actor === 'Dora' && path === '/api/auth/login/');
    assert.equal(ofDora.filter(({ status }) => status === 401).length, 10);
    assert.equal(ofDora.filter(({ status }) => status === 429).length, 1, 'attempts not looked at do not fill it');
  });

  test('every changing route of every service is in it, also refused, and nothing that only reads', async () => {
    const eve = await newUser(platform.url, admin, 'Eve', 'user');
    const expected: string[] = [];
    const calls: [url: string, method: string, path: string][] = [];
    for (const url of services) {
      const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
        paths: Record<string, Record<string, { security?: object[] }>>;
      };
      for (const [path, operations] of Object.entries(document.paths)) {
        for (const [method, { security }] of Object.entries(operations)) {
          if (security?.length === 0) continue;
          const acts = method === 'get' ? ACTING_GETS.includes(path) : ![...ASKING, ...APART].includes(path);
          if (acts) expected.push(`${method.toUpperCase()} ${path}`);
          calls.push([url, method.toUpperCase(), path]);
        }
      }
    }
    assert.ok(expected.length > 20, expected.join('\n'));
    // Streams are asked for nothing here, and signing out comes last.
    const order = calls.filter(([, , path]) => !/stream|\/logs$/.test(path) && path !== '/api/auth/logout/');
    order.push([platform.url, 'POST', '/api/auth/logout/']);
    for (const [url, method, path] of order) {
      const body = ['GET', 'DELETE'].includes(method) ? undefined : { [PLANTED]: PLANTED, config: { key: PLANTED } };
      const at = `${path.replaceAll(/\{\w+\}/g, 'x1')}?token=${PLANTED}`;
      await (await apiWith(url, eve.token).request(method, at, body)).text();
    }
    await written({ actor: 'Eve', path: '/api/auth/logout/', status: 200 });
    const seen = (await all())
      .filter(({ actor }) => actor === 'Eve')
      .filter(({ path }) => path !== '/api/auth/login/')
      // As it was called, or, when what is in it was refused, as the route is called.
      .map(({ method, path }) => `${method} ${path.replaceAll('/x1', '/{}').replaceAll(/:\w+/g, '{}')}`);
    const wanted = expected.map((call) => call.replaceAll(/\{\w+\}/g, '{}'));
    assert.deepEqual(seen.toSorted(), wanted.toSorted());
  });

  test('who leaves before the answer has acted all the same', async () => {
    const { port, hostname } = new URL(platform.url);
    const body = JSON.stringify({ username: 'Ghost', password: `Ghost ${PLANTED}`, role: 'user' });
    const lines = ['POST /api/users/ HTTP/1.1', 'Host: a', `Authorization: Bearer ${admin.token}`];
    lines.push('Content-Type: application/json', `Content-Length: ${body.length}`);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
    await written({ actor: 'admin', target: 'Ghost', status: 201 });
    assert.equal((await admin.request('DELETE', '/api/users/Ghost/')).status, 200);
  });

  test('it is read page by page, newest first', async () => {
    for (let number = 0; number < 5; number += 1) await admin.request('DELETE', `/api/users/page${number}/`);
    await written({ target: 'page4' });
    const whole = await all();
    const ids = whole.map(({ id }) => id);
    assert.deepEqual(
      ids,
      [...ids].sort((a, b) => b - a),
    );
    const { entries: first } = await admin.get<{ entries: Entry[] }>('/api/audit/?limit=3');
    const { entries: second } = await admin.get<{ entries: Entry[] }>(`/api/audit/?limit=3&before=${first[2]?.id}`);
    assert.deepEqual([...first, ...second], whole.slice(0, 6));
    for (const query of ['limit=0', 'limit=1001', 'limit=x', 'before=0', 'since=1']) {
      assert.equal((await admin.request('GET', `/api/audit/?${query}`)).status, 400, query);
    }
  });

  test('it holds no body, no query and no secret, nor does any log', async () => {
    await admin.post('/api/users/', { username: 'Paul', password: `Paul ${PLANTED}`, role: 'user' });
    await admin.request('PATCH', '/api/users/Paul/', { password: `new ${PLANTED}` });
    const paul = await signIn(platform.url, 'Paul', `new ${PLANTED}`);
    const change = { currentPassword: `new ${PLANTED}`, newPassword: `newer ${PLANTED}` };
    await paul.post('/api/users/me/password/', change);
    await written({ actor: 'Paul', path: '/api/users/me/password/', status: 200 });
    const { token } = await admin.post<{ token: string }>('/api/tokens/', { name: 'mistaken' });
    // A whole token where its id belongs.
    await admin.request('DELETE', `/api/tokens/${token}/`);
    await written({ method: 'DELETE', path: '/api/tokens/:id/', status: 400 });
    const secrets = [PLANTED, PASSWORD, token, token.slice(-43), paul.token, admin.token];
    const text = JSON.stringify(await all());
    for (const secret of secrets) assert.ok(!text.includes(secret), secret);
    for (const folder of ['state', 'logs']) {
      for (const file of readdirSync(join(home.directory, folder))) {
        const content = readFileSync(join(home.directory, folder, file)).toString('latin1');
        for (const secret of secrets) assert.ok(!content.includes(secret), `${folder}/${file} holds ${secret}`);
      }
    }
  });
});
