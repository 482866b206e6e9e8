import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Answer, ask } from '../contracts/reverse-proxy.support.ts';
import { type Api, signIn } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, newHome, spawnPlatform, startPlatform, type TestPlatform } from '../support/platform.ts';
import { newUser } from './http.support.ts';

/** Addresses of this machine: the first two are in `legacy.allowFrom`. */
const ALLOWED = ['127.0.0.5', '127.0.6.77'];
const OTHER = '127.0.0.9';
/** The starting document's own routes, by the place of their service after PORT. */
const LEGACY: [place: number, method: string, path: string][] = [
  [0, 'GET', '/get_logs'],
  [2, 'GET', '/get_logs'],
  [3, 'GET', '/get_logs'],
  [3, 'GET', '/nodemgr/get-deploy-node'],
  [3, 'GET', '/nodemgr/get-all-nodes-health'],
  [3, 'GET', '/nodemgr/log'],
  [3, 'POST', '/nodemgr/log'],
  [3, 'DELETE', '/nodemgr/delete-old-logs'],
  [4, 'GET', '/get_logs'],
  [4, 'GET', '/registerApp'],
  [4, 'POST', '/deregisterApp'],
  [8, 'GET', '/get_logs'],
  [1, 'GET', '/status'],
  [1, 'GET', '/all_services'],
  [1, 'GET', '/start'],
  [4, 'GET', '/VmDetails'],
  [4, 'GET', '/AppDetails'],
  [4, 'GET', '/AppHealth'],
  [4, 'GET', '/NginxPort'],
];
/** Open to them, too, and not called here: it would stop what the other tests need. */
const NOT_CALLED = ['/stop'];

describe('strangers: guessing, registering, and the starting document’s programs', () => {
  let home: Home;
  let platform: TestPlatform;
  let admin: Api;

  before(async () => {
    home = newHome();
    const flags = ['--open-registration', '--legacy-allow-from', '127.0.0.5', '--legacy-allow-from', '127.0.6.0/24'];
    platform = await startPlatform({ home, flags });
    admin = await signIn(platform.url);
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    home.remove();
  });

  /** A request from an address of this machine, without a token unless it is among the headers. */
  function from(
    localAddress: string,
    method: string,
    url: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ) {
    const data = body === undefined ? {} : { data: JSON.stringify(body) };
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    return ask(url, { method, localAddress, headers: { ...type, ...headers }, ...data });
  }
  const problemOf = (answer: Answer) => JSON.parse(answer.body.toString()) as { code: string; detail: string };

  test('one source that tries many users is 429 with Retry-After before long, and others go on', async () => {
    const source = '127.0.0.71';
    const statuses: number[] = [];
    let refused: Answer | null = null;
    for (let guess = 0; guess < 80 && !refused; guess += 1) {
      const body = { username: `user${guess}`, password: 'the most common one' };
      const answer = await from(source, 'POST', `${platform.url}/api/auth/login/`, body);
      statuses.push(answer.status);
      if (answer.status === 429) refused = answer;
    }
    assert.ok(refused, statuses.join(' '));
    assert.ok(statuses.length > 20 && statuses.length <= 51, `refused after ${statuses.length}`);
    const seconds = Number(refused.headers['retry-after']);
    assert.ok(seconds >= 1 && seconds <= 60, String(seconds));
    assert.equal(problemOf(refused).code, 'AVK_TOO_MANY_REQUESTS');
    const elsewhere = { username: 'user1', password: 'the most common one' };
    assert.equal((await from('127.0.0.72', 'POST', `${platform.url}/api/auth/login/`, elsewhere)).status, 401);
    const { users } = await admin.get<{ users: unknown[] }>('/api/users/');
    assert.ok(users.length > 0, 'who is signed in goes on');
    const headers = { authorization: `Bearer ${admin.token}` };
    assert.equal((await from(source, 'GET', `${platform.url}/api/nodes/`, undefined, headers)).status, 200);
  });

  test('a burst of guesses at many users from one source is counted like a row of them', async () => {
    const guess = (number: number) => {
      const body = { username: `burst${number}`, password: 'the most common one' };
      return from('127.0.0.73', 'POST', `${platform.url}/api/auth/login/`, body);
    };
    const answers = await Promise.all(Array.from({ length: 90 }, (_, number) => guess(number)));
    const allowed = answers.filter(({ status }) => status === 401).length;
    assert.ok(allowed >= 20 && allowed <= 50, `${allowed} guesses were looked at`);
    assert.equal(answers.filter(({ status }) => status === 429).length, 90 - allowed);
  });

  test('where the operator allows it anybody registers, as role user and nothing more', async () => {
    const register = (body: object, headers: Record<string, string> = {}) =>
      from(OTHER, 'POST', `${platform.url}/api/auth/register/`, body, headers);
    const password = 'long enough a password';
    const added = await register({ username: 'Walter', password });
    assert.deepEqual([added.status, JSON.parse(added.body.toString())], [201, { username: 'Walter', role: 'user' }]);
    const walter = await signIn(platform.url, 'walter', password);
    for (const headers of [{}, { authorization: `Bearer ${walter.token}` }]) {
      for (const role of ['admin', 'developer']) {
        const refused = await register({ username: `Boss-${role}`, password, role }, headers as Record<string, string>);
        assert.deepEqual([refused.status, problemOf(refused).code], [403, 'AVK_FORBIDDEN'], role);
      }
    }
    assert.equal((await register({ username: 'WALTER', password })).status, 409);
    assert.equal((await register({ username: 'Xaver', password: 'xaver' })).status, 422);
    const garbage = await register({ username: 'Yves', password }, { authorization: 'Bearer garbage' });
    assert.equal(garbage.status, 401);
    const byAdmin = await register(
      { username: 'Zoe', password, role: 'developer' },
      { authorization: `Bearer ${admin.token}` },
    );
    assert.equal(byAdmin.status, 201);
    const { users } = await admin.get<{ users: { username: string; role: string }[] }>('/api/users/');
    const roles = Object.fromEntries(users.map(({ username, role }) => [username, role]));
    assert.deepEqual(roles, { admin: 'admin', Walter: 'user', Zoe: 'developer' });
  });

  test('a source that registers without end is slowed down', async () => {
    const register = (number: number) => {
      const body = { username: `crowd${number}`, password: 'long enough a password' };
      return from('127.0.0.74', 'POST', `${platform.url}/api/auth/register/`, body);
    };
    const answers: Answer[] = [];
    for (let number = 0; number < 60 && answers.at(-1)?.status !== 429; number += 1)
      answers.push(await register(number));
    assert.equal(answers.at(-1)?.status, 429, 'without end');
    assert.ok(answers.length > 5);
  });

  test('from legacy.allowFrom the starting document’s own routes need no token, from elsewhere they do', async () => {
    for (const [place, method, path] of LEGACY) {
      const url = `http://127.0.0.1:${home.slot.port + place}${path}`;
      for (const address of ALLOWED) {
        const { status, body } = await from(address, method, url);
        // Without what the route asks for, but let in.
        const expected = path.includes('registerApp') ? [400, 422] : [200];
        assert.ok(expected.includes(status), `${method} ${url} from ${address}: ${status} ${body}`);
      }
      const stranger = await from(OTHER, method, url);
      assert.deepEqual([stranger.status, problemOf(stranger).code], [401, 'AVK_UNAUTHENTICATED'], url);
      const lying = await from(OTHER, method, url, undefined, { 'x-forwarded-for': '127.0.0.5' });
      assert.equal(lying.status, 401, `${url} believes X-Forwarded-For`);
    }
  });

  test('from legacy.allowFrom nothing else is open: no /api/, no route of services among themselves', async () => {
    const [address = ''] = ALLOWED;
    for (const place of [0, 1, 2, 3, 4, 6, 7, 8]) {
      const url = `http://127.0.0.1:${home.slot.port + place}`;
      const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
        paths: Record<string, Record<string, { security?: object[] }>>;
      };
      const legacy = LEGACY.map(([, , path]) => path);
      for (const [path, operations] of Object.entries(document.paths)) {
        if ([...legacy, ...NOT_CALLED].includes(path)) continue;
        for (const [method, { security }] of Object.entries(operations)) {
          if (security?.length === 0) continue;
          const at = url + path.replaceAll(/\{\w+\}/g, 'x');
          const { status } = await from(address, method.toUpperCase(), at);
          assert.equal(status, 401, `${method} ${at}`);
        }
      }
    }
    // Who shows a token is who the token says, also from there.
    const user = await newUser(platform.url, admin, 'Vera', 'user');
    const logs = `http://127.0.0.1:${home.slot.port + 3}/get_logs`;
    for (const [authorization, status] of [
      [`Bearer ${user.token}`, 403],
      ['Bearer garbage', 401],
    ] as const) {
      assert.equal((await from(address, 'GET', logs, undefined, { authorization })).status, status);
    }
  });

  test('what a program of the starting document’s does is written down with its address', async () => {
    const url = `http://127.0.0.1:${home.slot.port + 3}/nodemgr/log`;
    assert.equal((await from('127.0.6.78', 'GET', url)).status, 200);
    const found = await eventually(async () => {
      const { entries } = await admin.get<{ entries: Record<string, string>[] }>('/api/audit/?limit=1000');
      return entries.find((entry) => entry.from === '127.0.6.78');
    });
    assert.deepEqual([found.actor, found.method, found.path], ['service legacy client', 'GET', '/nodemgr/log']);
  });

  test('a network that is none stops the start, and is named', async () => {
    const other = newHome();
    try {
      const refused = spawnPlatform({ home: other, flags: ['--legacy-allow-from', '10.0.0.0/33'] });
      assert.equal(await refused.exited, 1);
      assert.match(refused.output(), /legacy\.allowFrom: .*"10\.0\.0\.0\/33" \(AVK_BAD_CONFIG\)/);
    } finally {
      other.remove();
    }
  });
});
