import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acts, type Scope, scopeNeed, scopesAllow } from './scopes.ts';

test('a route’s part of the platform goes by its path, the longest that fits, unless it says itself', () => {
  const cases: [method: string, url: string, area: string, reads: boolean][] = [
    ['GET', '/api/deployedApps/:name', 'deploy', true],
    ['POST', '/api/deployedApps/stopApp/', 'deploy', false],
    ['PATCH', '/api/schedules/:id/', 'deploy', false],
    ['POST', '/api/baseApp/upload/', 'upload', false],
    ['GET', '/api/baseApp/getapps/', 'upload', true],
    ['GET', '/api/users/', 'admin', true],
    ['DELETE', '/api/users/:username/', 'admin', false],
    ['GET', '/api/users/me/', 'any', true],
    ['POST', '/api/users/me/password/', 'admin', false],
    ['POST', '/api/auth/logout/', 'any', false],
    ['GET', '/start', 'admin', false],
    ['GET', '/nodemgr/log', 'admin', false],
    ['GET', '/deregisterApp', 'deploy', false],
    ['GET', '/status', 'admin', true],
  ];
  for (const [method, url, area, reads] of cases) {
    assert.deepEqual(scopeNeed(method, url), { area, reads }, `${method} ${url}`);
  }
  assert.deepEqual(scopeNeed('GET', '/api/users/', { scope: 'deploy' }), { area: 'deploy', reads: true });
});

test('a route that nobody decided about has no scope; routes of services among themselves need an administrator’s', () => {
  assert.equal(scopeNeed('GET', '/api/new/'), null);
  assert.equal(scopeNeed('GET', '/api/usersettings/'), null);
  assert.deepEqual(scopeNeed('POST', '/new', {}, true), { area: 'admin', reads: false });
});

test('a token may what one of its scopes may, and reads everything with scope read', () => {
  const may = (scopes: Scope[] | undefined, method: string, url: string): boolean => {
    const need = scopeNeed(method, url);
    assert.ok(need);
    return scopesAllow(scopes, need);
  };
  const table: [method: string, url: string, allowed: Scope[]][] = [
    ['GET', '/api/deployedApps/getDeployedApps/', ['read', 'deploy']],
    ['POST', '/api/deployedApps/deployApp/', ['deploy']],
    ['GET', '/api/baseApp/getapps/', ['read', 'upload']],
    ['POST', '/api/baseApp/upload/', ['upload']],
    ['GET', '/api/users/', ['read', 'admin']],
    ['POST', '/api/tokens/', ['admin']],
    ['GET', '/api/users/me/', ['read', 'deploy', 'upload', 'admin']],
    ['GET', '/stop', ['admin']],
    ['GET', '/registerApp', ['deploy']],
  ];
  for (const [method, url, allowed] of table) {
    for (const scope of ['read', 'deploy', 'upload', 'admin'] as const) {
      assert.equal(may([scope], method, url), allowed.includes(scope), `${scope}: ${method} ${url}`);
    }
    assert.ok(may(undefined, method, url));
    const anyone = url.startsWith('/api/users/me');
    assert.equal(may([], method, url), anyone);
  }
});

test('what changes something goes by the method, but for GETs that act and POSTs that ask', () => {
  for (const url of ['/start', '/stop', '/registerApp', '/deregisterApp', '/nodemgr/log', '/stop/']) {
    assert.ok(acts('GET', url), url);
  }
  assert.ok(!acts('GET', '/api/nodes/'));
  assert.ok(!acts('HEAD', '/status'));
  assert.ok(acts('DELETE', '/nodemgr/delete-old-logs'));
  assert.ok(!acts('POST', '/api/schedules/preview/'));
  assert.ok(acts('POST', '/api/schedules/'));
  assert.ok(!acts('POST', '/audit', { acts: false }));
});
