import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { signIn } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { newHome, PASSWORD, ROOT, startPlatform, type TestPlatform } from '../support/platform.ts';

const DEADLINE_MS = 60_000;

interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

describe('the command line and who may use the platform', () => {
  let platform: TestPlatform;
  let folder: string;
  const children = new Set<ChildProcess>();

  /** Runs a command; `input: null` leaves standard input open. */
  function run(args: readonly string[], input: string | null = '', env: Record<string, string> = {}): Promise<Result> {
    const main = join(ROOT, 'src/cli/main.ts');
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], {
      env: { PATH: process.env.PATH, XDG_CONFIG_HOME: folder, AVISHKAR_URL: platform.url, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: DEADLINE_MS,
    });
    children.add(child);
    const printed = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        printed[name] += text;
      });
    }
    child.stdin.on('error', () => undefined);
    if (input !== null) child.stdin.end(input);
    return new Promise((resolve) => {
      child.on('close', (code) => {
        children.delete(child);
        resolve({ code, ...printed });
      });
    });
  }

  /** Runs it with --json and takes the document; fails when the command does. */
  async function json<T = Record<string, string>>(args: readonly string[], input = ''): Promise<T> {
    const { code, stdout, stderr } = await run([...args, '--json'], input);
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    assert.equal(stderr, '');
    return JSON.parse(stdout);
  }

  async function good(args: readonly string[], input = ''): Promise<string> {
    const { code, stdout, stderr } = await run(args, input);
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  async function fails(args: readonly string[], why: RegExp, input = '', code = 1): Promise<void> {
    const result = await run(args, input);
    assert.equal(result.code, code, `${args.join(' ')}: ${result.stdout}`);
    assert.match(result.stderr, why);
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'avishkar-cli-'));
    platform = await startPlatform({ home: newHome() });
    await good(['login'], `${PASSWORD}\n`);
  });

  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    await platform?.stop();
    platform?.home.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test('a password may come from a pipe that stays open', async () => {
    const main = join(ROOT, 'src/cli/main.ts');
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, 'login'], {
      env: { PATH: process.env.PATH, XDG_CONFIG_HOME: folder, AVISHKAR_URL: platform.url },
      stdio: ['pipe', 'ignore', 'ignore'],
      timeout: DEADLINE_MS,
    });
    children.add(child);
    child.stdin?.write(`${PASSWORD}\n`);
    assert.equal(await new Promise((resolve) => child.on('exit', resolve)), 0);
    children.delete(child);
  });

  test('users are added, listed, given roles and deleted', async () => {
    const added = await json(['users', 'add', 'Anna', '--role', 'developer', '--password-stdin'], 'a long password\n');
    assert.deepEqual([added.username, added.role], ['Anna', 'developer']);
    const made = await json(['users', 'add', 'Ben', '--generate']);
    assert.match(made.password ?? '', /^[\w-]{16}$/);
    assert.equal((await signIn(platform.url, 'Ben', made.password ?? '')).token.length > 0, true);
    const table = await good(['users']);
    assert.match(table, /^NAME +ROLE +ADDED +SIGNED IN\nadmin +admin .*\nAnna +developer .* never\nBen +user .*\n$/);
    assert.equal((await json(['users', 'role', 'Ben', 'admin'])).role, 'admin');
    await good(['users', 'rm', 'Ben']);
    const { users } = await json<{ users: { username: string }[] }>(['users']);
    assert.deepEqual(
      users.map(({ username }) => username),
      ['admin', 'Anna'],
    );
    await fails(['users', 'rm', 'admin'], /themselves|last administrator/);
    await fails(['users', 'add', 'Anna'], /there is a user Anna already/, 'another password\n');
    await fails(['users', 'add', 'Carl'], /8 characters/, 'short\n');
    await fails(['users', 'add', 'Carl'], /password is empty/);
    await fails(['users', 'role', 'Anna', 'boss'], /Allowed choices/, '', 2);
    await fails(['users', 'nonsense'], /too many arguments/, '', 2);
  });

  test('tokens are made, shown once, used by AVISHKAR_TOKEN, listed and revoked', async () => {
    const args = ['tokens', 'create', 'robot', '--role', 'developer', '--scope', 'read', '--scope', 'deploy'];
    const made = await json<Record<'id' | 'name' | 'role' | 'token' | 'expiresAt', string> & { scopes: string[] }>([
      ...args,
      '--expires-in-days',
      '30',
    ]);
    assert.deepEqual([made.name, made.role, made.scopes], ['robot', 'developer', ['read', 'deploy']]);
    assert.ok(Math.abs(Date.parse(made.expiresAt) - Date.now() - 30 * 86_400_000) < 60_000);
    const plain = await run(['tokens', 'create', 'for Anna', '--user', 'anna']);
    assert.match(plain.stdout, /^avk_\w+_[\w-]+\n$/, 'alone on stdout, for scripts');
    assert.match(plain.stderr, /token for Anna .* of Anna\. It is shown this once/);
    const table = await good(['tokens']);
    assert.match(table, /robot +admin +developer +read,deploy/);
    assert.match(table, /for Anna +Anna +developer +all +never +never/);
    assert.ok(!table.includes(made.token));
    const byToken = (...command: string[]) =>
      run(command, '', { AVISHKAR_TOKEN: made.token, XDG_CONFIG_HOME: join(folder, 'nowhere') });
    assert.equal((await byToken('ps')).code, 0);
    assert.match((await byToken('users', 'rm', 'Anna')).stderr, /role admin \(AVK_FORBIDDEN\)/);
    await good(['tokens', 'revoke', made.id]);
    await eventually(async () => (await byToken('ps')).code === 1, { deadlineMs: 15_000 });
    await fails(['tokens', 'revoke', made.id], /there is no token/);
    await fails(['tokens', 'create', 'x', '--scope', 'everything'], /Allowed scopes/, '', 2);
  });

  test('one changes one’s own password with the current one, an administrator somebody else’s', async () => {
    await fails(['passwd', '--password-stdin'], /current password is wrong/, 'wrong one\nnext password 1\n');
    const own = await good(['passwd', '--password-stdin'], `${PASSWORD}\nnext password 1\n`);
    assert.match(own, /^The password of admin is changed/);
    assert.ok(!own.includes('next password'));
    // This sign-in goes on.
    await good(['users']);
    const back = await json(['passwd', 'ADMIN', '--generate'], 'next password 1\n');
    assert.equal(back.username, 'admin');
    await good(['passwd', '--password-stdin'], `${back.password}\n${PASSWORD}\n`);
    await good(['passwd', 'anna', '--password-stdin'], 'reset for Anna\n');
    await signIn(platform.url, 'Anna', 'reset for Anna');
    const made = await good(['passwd', 'Anna', '--generate']);
    await signIn(platform.url, 'Anna', /password is (\S+)/.exec(made)?.[1]);
    await fails(['passwd', 'Nobody', '--generate'], /there is no user Nobody/);
  });

  test('the audit log is read', async () => {
    const { entries } = await eventually(async () => {
      const answer = await json<{ entries: { id: number }[] }>(['audit', '--limit', '5']);
      return answer.entries.length === 5 ? answer : null;
    });
    assert.ok((entries[0]?.id ?? 0) > (entries[4]?.id ?? 0));
    const table = await good(['audit', '--limit', '200']);
    assert.match(table, /^ID +AT +WHO +STATUS +ABOUT +FROM +CALL\n/);
    assert.match(table, /admin +201 +Anna +127\.0\.0\.1 +POST \/api\/users\//);
  });

  test('signing out ends the session and forgets its token; repeating it is harmless', async () => {
    const { platforms } = JSON.parse(readFileSync(join(folder, 'avishkar/credentials.json'), 'utf8'));
    const { token } = platforms[platform.url] as { token: string };
    assert.match(await good(['logout']), /^Signed out of http/);
    assert.ok(!readFileSync(join(folder, 'avishkar/credentials.json'), 'utf8').includes(token));
    await fails(['ps'], /not signed in/);
    assert.match(await good(['logout']), /^Nobody was signed in/);
    await eventually(async () => {
      const answer = await fetch(`${platform.url}/api/nodes/`, { headers: { authorization: `Bearer ${token}` } });
      return answer.status === 401;
    });
  });

  test('a lost administrator’s password is set anew in the home of a stopped platform, and ends the sessions', async () => {
    const { home } = platform;
    const before = await signIn(platform.url);
    await fails(
      ['passwd', '--home', home.directory, 'admin', '--generate'],
      /another Avishkar runs on .*AVK_HOME_LOCKED/,
    );
    await fails(['passwd', '--home', join(folder, 'nothing'), '--generate'], /not the home of a platform/);
    assert.equal(await platform.stop(), 0, platform.output());
    await fails(['passwd', '--home', home.directory, 'Nobody', '--generate'], /there is no user Nobody/);
    await fails(['passwd', '--home', home.directory, '--password-stdin'], /8 characters/, 'short\n');
    await fails(['passwd', '--home', home.directory, '--password-stdin'], /user name|8 characters/, 'admin\n');
    const made = await json(['passwd', '--home', home.directory, 'admin', '--generate']);
    assert.equal(made.username, 'admin');
    platform = await startPlatform({ home });
    const after = await signIn(platform.url, 'admin', made.password);
    assert.equal((await before.request('GET', '/api/nodes/')).status, 401);
    assert.equal((await after.request('GET', '/api/nodes/')).status, 200);
    const old = await fetch(`${platform.url}/api/auth/login/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'admin', password: PASSWORD }),
    });
    assert.equal(old.status, 401);
  });
});
