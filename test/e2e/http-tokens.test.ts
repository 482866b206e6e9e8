import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Api, apiWith, signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { newUser, refused } from './http.support.ts';

const SCOPES = ['read', 'deploy', 'upload', 'admin'];
const REVOKED_MS = 10_000;

interface Token {
  id: string;
  name: string;
  username: string;
  role: string;
  scopes: string[];
  createdAt: string;
  expiresAt: string | null;
  lastUsedAt: string | null;
}

describe('API tokens', () => {
  let home: Home;
  let platform: TestPlatform;
  let admin: Api;
  let services: string[];
  const secrets: string[] = [];

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home });
    admin = await signIn(platform.url);
    for (const [name, role] of [
      ['Dora', 'developer'],
      ['Alice', 'user'],
    ] as const) {
      await newUser(platform.url, admin, name, role);
    }
    const status = await admin.get<{ services: { direct: string }[] }>('/api/platform/status/');
    services = status.services.map(({ direct }) => `http://${direct}`);
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    home.remove();
  });

  async function make(wanted: Record<string, unknown>): Promise<Token & { token: string; api: Api }> {
    const made = await admin.post<Token & { token: string }>('/api/tokens/', wanted);
    secrets.push(made.token.slice(made.token.indexOf('_', 4) + 1));
    return { ...made, api: apiWith(platform.url, made.token) };
  }

  async function listed(id: string): Promise<Token | undefined> {
    const { tokens } = await admin.get<{ tokens: Token[] }>('/api/tokens/');
    return tokens.find((token) => token.id === id);
  }

  /** Waits until every service refuses the token. */
  function refusedEverywhere(token: string): Promise<unknown> {
    return eventually(
      async () => {
        const asked = services.map(async (url) => (await apiWith(url, token).request('GET', '/get_logs')).status);
        return (await Promise.all(asked)).every((status) => status === 401);
      },
      { deadlineMs: REVOKED_MS },
    );
  }

  test('a token is shown once, acts as its owner on every service, and says when it was used', async () => {
    const { token, api, ...made } = await make({ name: 'ci' });
    assert.match(token, /^avk_[0-9a-f]{16}_[\w-]{43}$/);
    assert.deepEqual([made.username, made.role, made.scopes], ['admin', 'admin', []]);
    assert.deepEqual(await listed(made.id), made);
    assert.equal(made.lastUsedAt, null);
    assert.ok(!(await (await admin.request('GET', '/api/tokens/')).text()).includes(token.slice(22)));
    for (const url of services) {
      assert.equal((await apiWith(url, token).request('GET', '/get_logs')).status, 200, url);
    }
    assert.equal((await api.get<{ username: string }>('/api/users/me/')).username, 'admin');
    const used = await eventually(async () => (await listed(made.id))?.lastUsedAt);
    assert.ok(Date.parse(used) <= Date.now());
    await api.request('GET', '/api/nodes/');
    assert.equal((await listed(made.id))?.lastUsedAt, used, 'noted at most once a minute');
  });

  test('a revoked token is refused on every service within ten seconds', async () => {
    const { token, id } = await make({ name: 'short-lived' });
    for (const url of services) {
      assert.equal((await apiWith(url, token).request('GET', '/get_logs')).status, 200, url);
    }
    assert.equal((await admin.request('DELETE', `/api/tokens/${id}/`)).status, 200);
    await refusedEverywhere(token);
    assert.equal(await listed(id), undefined);
    await refused(await admin.request('DELETE', `/api/tokens/${id}/`), 404, 'AVK_NOT_FOUND');
  });

  test('what is no token, or half of one, is 401; the secret must fit the id', async () => {
    const one = await make({ name: 'one' });
    const two = await make({ name: 'two' });
    const mixed = `avk_${one.id}_${two.token.slice(21)}`;
    for (const bad of [
      'avk_',
      `avk_${one.id}`,
      `avk_${one.id}_`,
      one.token.slice(0, -1),
      `${one.token}x`,
      mixed,
      'avk_x_y',
    ]) {
      await refused(await apiWith(platform.url, bad).request('GET', '/api/nodes/'), 401, 'AVK_UNAUTHENTICATED');
    }
    assert.equal((await one.api.request('GET', '/api/nodes/')).status, 200);
  });

  test('a token expires when it was to', async () => {
    const { api, expiresAt } = await make({ name: 'brief', expiresInDays: 3 / 86_400 });
    assert.equal((await api.request('GET', '/api/nodes/')).status, 200);
    const refusedAt = await eventually(async () => {
      const { status } = await api.request('GET', '/api/nodes/');
      return status === 401 ? Date.now() : null;
    });
    const late = refusedAt - Date.parse(expiresAt ?? '');
    assert.ok(late >= -50 && late < 2000, `${late} ms after it expired`);
  });

  test('a token has at most the owner’s role, and loses it with the owner', async () => {
    const problem = await refused(
      await admin.request('POST', '/api/tokens/', { name: 'too much', username: 'Dora', role: 'admin' }),
      422,
      'AVK_UNACCEPTABLE',
    );
    assert.equal(problem.errors[0]?.path, 'role');
    const doras = await make({ name: 'doras', username: 'dora' });
    assert.deepEqual([doras.username, doras.role], ['Dora', 'developer']);
    const less = await make({ name: 'less', username: 'Dora', role: 'user' });
    assert.equal((await doras.api.upload(webApp('doras'))).status, 201);
    await refused(await less.api.upload(webApp('less')), 403, 'AVK_FORBIDDEN');
    assert.equal((await admin.request('PATCH', '/api/users/Dora/', { role: 'user' })).status, 200);
    await eventually(async () => (await doras.api.upload(webApp('later'))).status === 403, { deadlineMs: REVOKED_MS });
    assert.equal((await doras.api.request('GET', '/api/nodes/')).status, 200);
    assert.equal((await admin.request('DELETE', '/api/users/Dora/')).status, 200);
    await refusedEverywhere(doras.token);
    await refusedEverywhere(less.token);
    assert.equal(await listed(doras.id), undefined);
  });

  test('a token that is asked for in bad words is refused with the field', async () => {
    for (const [body, path] of [
      [{}, 'name'],
      [{ name: '' }, 'name'],
      [{ name: 'x'.repeat(65) }, 'name'],
      [{ name: 'two\nlines' }, 'name'],
      [{ name: 'a', scopes: ['all'] }, 'scopes.0'],
      [{ name: 'a', scopes: [] }, 'scopes'],
      [{ name: 'a', expiresInDays: 0 }, 'expiresInDays'],
      [{ name: 'a', expiresInDays: -1 }, 'expiresInDays'],
      [{ name: 'a', role: 'root' }, 'role'],
      [{ name: 'a', colour: 'red' }, ''],
    ] as const) {
      const problem = await refused(await admin.request('POST', '/api/tokens/', body), 422, 'AVK_UNACCEPTABLE');
      assert.equal(problem.errors[0]?.path, path, JSON.stringify(problem));
    }
    await refused(await admin.request('POST', '/api/tokens/', { name: 'a', username: 'Nobody' }), 404, 'AVK_NOT_FOUND');
    await make({ name: 'twice' });
    await refused(await admin.request('POST', '/api/tokens/', { name: 'twice' }), 409, 'AVK_NAME_TAKEN');
    await refused(await admin.request('DELETE', '/api/tokens/..%2fusers/'), 400, 'AVK_BAD_REQUEST');
  });

  test('every route of every service refuses a token whose scopes do not fit, and says which would', async () => {
    const limited = new Map<string, Api>();
    for (const scope of SCOPES) limited.set(scope, (await make({ name: `only ${scope}`, scopes: [scope] })).api);
    const by = (scope: string): Api => limited.get(scope) ?? assert.fail(scope);
    let looked = 0;
    for (const url of services) {
      const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
        paths: Record<string, Record<string, { security?: object[]; 'x-scope'?: string[] }>>;
      };
      for (const [path, operations] of Object.entries(document.paths)) {
        for (const [method, { security, 'x-scope': needed }] of Object.entries(operations)) {
          if (security?.length === 0) continue;
          const what = `${url} ${method} ${path}`;
          assert.ok(needed && needed.length > 0, `${what} has no scope`);
          for (const scope of needed) assert.ok([...SCOPES, 'any'].includes(scope), `${what}: ${scope}`);
          assert.ok(!needed.includes('read') || method === 'get', `${what} is not only read`);
          for (const [scope, { token }] of limited) {
            // What would be let in might act: whether it is let in is tested below, by what is harmless.
            if (needed.includes(scope) || needed.includes('any')) continue;
            const at = path.replaceAll(/\{\w+\}/g, 'some-name');
            const problem = await refused(
              await apiWith(url, token).request(method.toUpperCase(), at),
              403,
              'AVK_FORBIDDEN',
            );
            assert.match(problem.detail, new RegExp(`scope ${needed.join(' or ')}$`), what);
            looked += 1;
          }
        }
      }
    }
    assert.ok(looked > 60, `${looked} refusals`);
    const may = async (scope: string, method: string, path: string, body?: unknown): Promise<number> =>
      (await by(scope).request(method, path, body)).status;
    for (const scope of SCOPES) assert.equal(await may(scope, 'GET', '/api/users/me/'), 200, scope);
    for (const path of ['/api/nodes/', '/api/users/', '/api/baseApp/getapps/', '/api/deployedApps/getDeployedApps/']) {
      assert.equal(await may('read', 'GET', path), 200, path);
    }
    assert.equal(await may('deploy', 'GET', '/api/deployedApps/getDeployedApps/'), 200);
    assert.equal(await may('deploy', 'POST', '/api/deployedApps/stopApp/', { instanceName: 'nobodys' }), 404);
    assert.equal((await by('upload').upload(webApp('by-token'))).status, 201);
    assert.equal(await may('admin', 'GET', '/api/users/'), 200);
    assert.equal(await may('admin', 'DELETE', '/api/users/nobody/'), 404);
  });

  test('a scope gives nothing that the role does not', async () => {
    const { api } = await make({ name: 'alices', username: 'Alice', scopes: ['admin', 'upload'] });
    await refused(await api.request('GET', '/api/users/'), 403, 'AVK_FORBIDDEN');
    await refused(await api.upload(webApp('hers')), 403, 'AVK_FORBIDDEN');
  });

  test('no secret of a token is kept in the home or said in a log', async () => {
    assert.ok(secrets.length > 5);
    for (const folder of ['state', 'logs']) {
      const files = readdirSync(join(home.directory, folder));
      assert.ok(files.length > 0);
      for (const file of files) {
        const content = readFileSync(join(home.directory, folder, file)).toString('latin1');
        for (const secret of secrets) assert.ok(!content.includes(secret), `${folder}/${file}`);
      }
    }
  });
});
