import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ask } from '../contracts/reverse-proxy.support.ts';
import { type Api, apiWith, signIn } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { newHome, PASSWORD, startPlatform, type TestPlatform } from '../support/platform.ts';
import { askableApp, follow, newUser, refused } from './http.support.ts';

const LONG = 'has a long password';
/** An ended session is refused everywhere within this. */
const REVOKED_MS = 10_000;

describe('sessions, and what ends them', () => {
  let platform: TestPlatform;
  let admin: Api;

  before(async () => {
    platform = await startPlatform({ home: newHome() });
    admin = await signIn(platform.url);
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    platform.home.remove();
  });

  /** Where every service answers. */
  async function everyService(): Promise<string[]> {
    const { services } = await admin.get<{ services: { direct: string }[] }>('/api/platform/status/');
    assert.ok(services.length >= 5);
    return services.map(({ direct }) => `http://${direct}`);
  }

  /** What every service says to a token on a route that needs one. */
  async function answers(token: string): Promise<number[]> {
    const asked = (await everyService()).map(
      async (url) => (await apiWith(url, token).request('GET', '/get_logs')).status,
    );
    return [...new Set(await Promise.all(asked))];
  }

  /** Waits until every service refuses the token, which all of them have just accepted, and says it was in time. */
  async function endsEverywhere(token: string, end: () => Promise<unknown>): Promise<void> {
    // A user's token: known, though the route is an administrator's.
    for (const status of await answers(token)) assert.ok([200, 403].includes(status), String(status));
    await end();
    await eventually(async () => (await answers(token)).every((status) => status === 401), { deadlineMs: REVOKED_MS });
  }

  const login = (username: string, password: string, headers: Record<string, string> = {}) =>
    fetch(`${platform.url}/api/auth/login/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ username, password }),
    });

  test('signing out ends the session on every service within ten seconds, and no other', async () => {
    const anna = await newUser(platform.url, admin, 'Anna', 'user');
    const other = await signIn(platform.url, 'anna', `Anna ${LONG}`);
    await endsEverywhere(anna.token, () => anna.post('/api/auth/logout/', {}));
    await refused(await anna.request('POST', '/api/auth/logout/'), 401, 'AVK_UNAUTHENTICATED');
    assert.equal((await other.request('GET', '/api/users/me/')).status, 200);
  });

  test('events that are followed end with the session', async () => {
    const anton = await newUser(platform.url, admin, 'Anton', 'user');
    const token = await admin.post<{ token: string; id: string }>('/api/tokens/', {
      name: 'follows',
      username: 'Anton',
    });
    const others = await follow(admin, platform.url, '/api/events/stream');
    const own = await follow(anton, platform.url, '/api/events/stream');
    const byToken = await follow(apiWith(platform.url, token.token), platform.url, '/api/events/stream');
    let over = false;
    const begun = performance.now();
    void others.ended.then(() => {
      over = true;
    });
    await anton.post('/api/auth/logout/', {});
    await own.ended;
    await admin.request('DELETE', `/api/tokens/${token.id}/`);
    await byToken.ended;
    assert.ok(performance.now() - begun < 2 * REVOKED_MS);
    assert.ok(!over, 'of somebody else, they go on');
    others.close();
  });

  test('who is signed in reads who that is, and when the last sign-in was', async () => {
    const before = Date.now();
    const ben = await newUser(platform.url, admin, 'Ben', 'developer');
    const me = await ben.get<Record<string, string>>('/api/users/me/');
    assert.deepEqual([me.username, me.role], ['Ben', 'developer']);
    for (const key of ['createdAt', 'lastLoginAt']) assert.ok(Date.parse(me[key] ?? '') >= before - 1000, key);
    const { users } = await admin.get<{ users: Record<string, string | null>[] }>('/api/users/');
    assert.deepEqual(
      users.find(({ username }) => username === 'Ben'),
      me,
    );
    await admin.post('/api/users/', { username: 'Silent', password: `Silent ${LONG}`, role: 'user' });
    const { users: now } = await admin.get<{ users: Record<string, string | null>[] }>('/api/users/');
    assert.equal(now.find(({ username }) => username === 'Silent')?.lastLoginAt, null);
    for (const path of ['/api/users/', '/api/tokens/', '/api/audit/']) {
      await refused(await ben.request('GET', path), 403, 'AVK_FORBIDDEN');
    }
  });

  test('a changed password ends the other sessions, keeps this one, and the old one is refused', async () => {
    const carl = await newUser(platform.url, admin, 'Carl', 'user');
    const other = await signIn(platform.url, 'Carl', `Carl ${LONG}`);
    const next = 'an entirely new password';
    await endsEverywhere(other.token, () =>
      carl.post('/api/users/me/password/', { currentPassword: `Carl ${LONG}`, newPassword: next }),
    );
    assert.equal((await carl.request('GET', '/api/users/me/')).status, 200);
    await refused(await login('carl', `Carl ${LONG}`), 401, 'AVK_UNAUTHENTICATED');
    assert.equal((await login('carl', next)).status, 200);
  });

  test('a new password has 8 to 1000 characters, is neither blank nor the user name, and is never repeated', async () => {
    const dora = await newUser(platform.url, admin, 'DoraDora', 'user');
    const bad = ['pw-7Q4', 'x'.repeat(1001), ' '.repeat(10), 'doradora', 'DORADORA'];
    for (const password of bad) {
      const own = { currentPassword: `DoraDora ${LONG}`, newPassword: password };
      const answers = [
        await refused(await dora.request('POST', '/api/users/me/password/', own), 422, 'AVK_UNACCEPTABLE'),
        await refused(await admin.request('PATCH', '/api/users/DoraDora/', { password }), 422, 'AVK_UNACCEPTABLE'),
      ];
      if (!/dora/i.test(password)) {
        const added = await admin.request('POST', '/api/users/', { username: 'Nobody', password, role: 'user' });
        answers.push(await refused(added, 422, 'AVK_UNACCEPTABLE'));
      }
      for (const problem of answers) {
        assert.match(problem.errors[0]?.path ?? '', /^(newPassword|password)$/);
        assert.ok(password.trim() === '' || !JSON.stringify(problem).includes(password), problem.detail);
      }
    }
    assert.equal((await login('doradora', `DoraDora ${LONG}`)).status, 200);
  });

  test('a wrong current password changes nothing and counts as a guess', async () => {
    const emil = await newUser(platform.url, admin, 'Emil', 'user');
    const change = (currentPassword: string) =>
      emil.request('POST', '/api/users/me/password/', { currentPassword, newPassword: 'another long password' });
    for (let guess = 1; guess <= 10; guess += 1) {
      const problem = await refused(await change(`guess number ${guess}`), 422, 'AVK_UNACCEPTABLE');
      assert.equal(problem.errors[0]?.path, 'currentPassword');
    }
    const late = await change(`Emil ${LONG}`);
    assert.match(late.headers.get('retry-after') ?? '', /^\d+$/);
    await refused(late, 429, 'AVK_TOO_MANY_REQUESTS');
    await refused(await login('Emil', `Emil ${LONG}`), 429, 'AVK_TOO_MANY_REQUESTS');
    assert.equal((await emil.request('GET', '/api/users/me/')).status, 200, 'the session goes on');
  });

  test('a reset, another role and a deletion end the user’s sessions within ten seconds', async () => {
    const first = await newUser(platform.url, admin, 'Fred', 'user');
    await endsEverywhere(first.token, () => admin.request('PATCH', '/api/users/fred/', { password: 'reset for Fred' }));
    const second = await signIn(platform.url, 'Fred', 'reset for Fred');
    const changed = await admin.request('PATCH', '/api/users/FRED/', { role: 'developer' });
    assert.equal(((await changed.json()) as { role: string }).role, 'developer');
    await eventually(async () => (await answers(second.token)).every((status) => status === 401), {
      deadlineMs: REVOKED_MS,
    });
    const third = await signIn(platform.url, 'Fred', 'reset for Fred');
    // The role it has already: nothing happens.
    assert.equal((await admin.request('PATCH', '/api/users/Fred/', { role: 'developer' })).status, 200);
    assert.equal((await signIn(platform.url, 'Fred', 'reset for Fred')).token.length > 0, true);
    await endsEverywhere(third.token, () => admin.request('DELETE', '/api/users/Fred/'));
    await refused(await login('Fred', 'reset for Fred'), 401);
    await refused(await admin.request('DELETE', '/api/users/Fred/'), 404, 'AVK_NOT_FOUND');
    await refused(await admin.request('PATCH', '/api/users/Fred/', { role: 'user' }), 404, 'AVK_NOT_FOUND');
  });

  test('the last administrator stays one, and nobody deletes themselves or resets their own password', async () => {
    await refused(await admin.request('DELETE', '/api/users/admin/'), 409, 'AVK_CONFLICT');
    await refused(await admin.request('PATCH', '/api/users/Admin/', { role: 'user' }), 409, 'AVK_CONFLICT');
    await refused(await admin.request('PATCH', '/api/users/admin/', { password: 'taken over now' }), 403);
    const gina = await newUser(platform.url, admin, 'Gina', 'admin');
    const answers = await Promise.all([
      gina.request('PATCH', '/api/users/admin/', { role: 'user' }),
      admin.request('PATCH', '/api/users/Gina/', { role: 'user' }),
    ]);
    const statuses = answers.map(({ status }) => status);
    assert.ok(statuses.includes(200) && statuses.some((status) => [401, 403, 409].includes(status)), String(statuses));
    // Whoever is left makes things as they were.
    const left = statuses[0] === 200 ? await signIn(platform.url, 'Gina', `Gina ${LONG}`) : admin;
    assert.equal((await left.request('PATCH', '/api/users/admin/', { role: 'admin' })).status, 200);
    admin = await signIn(platform.url);
    assert.equal((await admin.request('DELETE', '/api/users/Gina/')).status, 200);
  });

  test('bad requests about users are refused with the field', async () => {
    for (const [body, path] of [
      [{}, ''],
      [{ role: 'root' }, 'role'],
      [{ role: 'user', name: 'x' }, ''],
      [{ password: 12345678 }, 'password'],
    ] as const) {
      const problem = await refused(await admin.request('PATCH', '/api/users/admin/', body), 422, 'AVK_UNACCEPTABLE');
      assert.equal(problem.errors[0]?.path, path, JSON.stringify(problem));
    }
    for (const name of ['two%20words', '..%2fadmin', '1st']) {
      await refused(await admin.request('DELETE', `/api/users/${name}/`), 400, 'AVK_BAD_REQUEST');
    }
  });

  describe('the front end’s cookie', () => {
    let cookie: string;

    /** A request as a browser with the cookie sends it. */
    const send = (method: string, path: string, headers: Record<string, string> = {}, url = platform.url) =>
      fetch(`${url}${path}`, { method, headers: { cookie, ...headers } });

    before(async () => {
      await newUser(platform.url, admin, 'Hugo', 'admin');
      const response = await login('Hugo', `Hugo ${LONG}`, { 'x-avishkar-session': 'cookie' });
      assert.equal(response.status, 200);
      const set = response.headers.getSetCookie();
      assert.equal(set.length, 1);
      const attributes = (set[0] ?? '').split('; ');
      cookie = attributes[0] ?? '';
      assert.match(cookie, /^avishkar_session=[\w-]+\.[\w-]+\.[\w-]+$/);
      for (const wanted of ['HttpOnly', 'SameSite=Strict', 'Path=/api']) assert.ok(attributes.includes(wanted), set[0]);
      assert.ok(!attributes.includes('Secure'), set[0]);
      assert.match(set[0] ?? '', /Max-Age=4\d{4}/);
    });

    test('is set only where it is asked for, and Secure where the request came by https', async () => {
      assert.deepEqual((await login('Hugo', `Hugo ${LONG}`)).headers.getSetCookie(), []);
      const secure = await login('Hugo', `Hugo ${LONG}`, {
        'x-avishkar-session': 'cookie',
        'x-forwarded-proto': 'https',
      });
      assert.match(secure.headers.getSetCookie()[0] ?? '', /; Secure/);
      const wrong = await login('Hugo', 'not his password', { 'x-avishkar-session': 'cookie' });
      assert.deepEqual([wrong.status, wrong.headers.getSetCookie()], [401, []]);
    });

    test('reads without further ado, also events; changes only with the header', async () => {
      assert.equal((await send('GET', '/api/users/me/')).status, 200);
      const events = await send('GET', '/api/events/stream');
      assert.equal(events.status, 200);
      await events.body?.cancel();
      for (const headers of [{}, { 'x-avishkar-csrf': '0' }, { 'x-avishkar-csrf': '' }] as Record<string, string>[]) {
        await refused(await send('POST', '/api/auth/logout/', headers), 403, 'AVK_FORBIDDEN');
        await refused(await send('DELETE', '/api/users/nobody/', headers), 403, 'AVK_FORBIDDEN');
      }
      await refused(await send('DELETE', '/api/users/nobody/', { 'x-avishkar-csrf': '1' }), 404, 'AVK_NOT_FOUND');
    });

    test('does not count for pages of others, though they are on the same host', async () => {
      for (const site of ['same-site', 'cross-site']) {
        await refused(await send('GET', '/api/users/me/', { 'sec-fetch-site': site }), 403, 'AVK_FORBIDDEN');
        const headers = { 'sec-fetch-site': site, 'x-avishkar-csrf': '1' };
        await refused(await send('DELETE', '/api/users/nobody/', headers), 403, 'AVK_FORBIDDEN');
      }
      assert.equal((await send('GET', '/api/users/me/', { 'sec-fetch-site': 'same-origin' })).status, 200);
    });

    test('opens nothing but the application manager’s /api/: no GET that acts, no service’s own port', async () => {
      for (const path of ['/get_logs', '/metrics']) {
        await refused(await send('GET', path, { 'x-avishkar-csrf': '1' }), 401, 'AVK_UNAUTHENTICATED');
      }
      for (const url of await everyService()) {
        const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
          paths: Record<string, Record<string, { security?: object[] }>>;
        };
        for (const [path, operations] of Object.entries(document.paths)) {
          if (path.startsWith('/api/')) continue;
          for (const [method, { security }] of Object.entries(operations)) {
            if (security?.length === 0) continue;
            const response = await send(
              method.toUpperCase(),
              path.replaceAll(/\{\w+\}/g, 'x'),
              { 'x-avishkar-csrf': '1' },
              url,
            );
            await refused(response, 401, 'AVK_UNAUTHENTICATED');
          }
        }
      }
    });

    test('is not for API tokens, and yields to a token in the header', async () => {
      const made = await admin.post<{ token: string; id: string }>('/api/tokens/', { name: 'no cookie' });
      const response = await fetch(`${platform.url}/api/users/me/`, {
        headers: { cookie: `avishkar_session=${made.token}` },
      });
      await refused(response, 401, 'AVK_UNAUTHENTICATED');
      const both = await send('GET', '/api/users/me/', { authorization: `Bearer ${admin.token}` });
      assert.equal(((await both.json()) as { username: string }).username, 'admin');
      const bad = await send('GET', '/api/users/me/', { authorization: 'Bearer garbage' });
      await refused(bad, 401, 'AVK_UNAUTHENTICATED');
    });

    test('is kept from apps on the same host', async () => {
      await admin.provide(askableApp('curious'));
      const name = await admin.deploy('curious');
      const { endpoint } = await admin.reaches(name, 'running');
      const { body } = await ask(`${endpoint}/headers`, { headers: { Cookie: `theme=dark; ${cookie}` } });
      assert.equal((JSON.parse(body.toString()) as { cookie: string }).cookie, 'theme=dark');
      assert.ok(!body.toString().includes(cookie.slice(20)));
      await admin.stop(name);
      await admin.reaches(name, 'stopped');
    });

    test('ends with signing out, and one that is no good any more is taken back', async () => {
      const out = await send('POST', '/api/auth/logout/', { 'x-avishkar-csrf': '1' });
      assert.equal(out.status, 200);
      assert.match(out.headers.getSetCookie()[0] ?? '', /^avishkar_session=;.*Path=\/api/);
      const ended = await eventually(
        async () => {
          const response = await send('GET', '/api/users/me/');
          return response.status === 401 ? response : null;
        },
        { deadlineMs: REVOKED_MS },
      );
      assert.match(ended.headers.getSetCookie()[0] ?? '', /^avishkar_session=;/);
      // Still to be had: an administrator's password opens again what was closed.
      assert.equal((await login('admin', PASSWORD)).status, 200);
    });
  });
});
