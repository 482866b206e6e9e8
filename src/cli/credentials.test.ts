import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { DEFAULT_URL, platformUrl } from './client.ts';
import { credentialsPath, readCredentials, rememberLogin } from './credentials.ts';

const login = (token: string) => ({ user: 'admin', role: 'admin', token, expiresAt: '2030-01-01T00:00:00Z' });

describe('credentials', () => {
  let env: Record<string, string>;
  beforeEach(() => {
    env = { XDG_CONFIG_HOME: mkdtempSync(join(tmpdir(), 'avishkar-xdg-')) };
  });
  afterEach(() => rmSync(env.XDG_CONFIG_HOME ?? '', { recursive: true, force: true }));

  test('are kept by platform, for the owner only, with nothing left beside them', () => {
    rememberLogin(env, 'http://a:1', login('one'));
    rememberLogin(env, 'http://b:1', login('two'));
    rememberLogin(env, 'http://a:1', login('three'));
    const { current, platforms } = readCredentials(env);
    assert.equal(current, 'http://a:1');
    assert.deepEqual([platforms['http://a:1']?.token, platforms['http://b:1']?.token], ['three', 'two']);
    const path = credentialsPath(env);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(dirname(path)), ['credentials.json']);
  });

  test('a damaged file is an error that says what to do', () => {
    mkdirSync(dirname(credentialsPath(env)), { recursive: true });
    writeFileSync(credentialsPath(env), '{');
    assert.throws(() => readCredentials(env), /remove it and sign in again/);
  });

  test('without XDG_CONFIG_HOME they are below the home', () => {
    assert.equal(credentialsPath({ HOME: '/home/x' }), '/home/x/.config/avishkar/credentials.json');
  });

  test('the platform: --url, AVISHKAR_URL, the last login, this machine', () => {
    assert.equal(platformUrl(undefined, env), DEFAULT_URL);
    rememberLogin(env, 'http://last:1', login('x'));
    assert.equal(platformUrl(undefined, env), 'http://last:1');
    assert.equal(platformUrl(undefined, { ...env, AVISHKAR_URL: 'http://env:1/' }), 'http://env:1');
    assert.equal(platformUrl('given:8010', { ...env, AVISHKAR_URL: 'http://env:1' }), 'http://given:8010');
    assert.throws(() => platformUrl('ftp://x', env), /no address of a platform/);
    assert.throws(() => platformUrl('http://', env), /no address of a platform/);
  });
});
