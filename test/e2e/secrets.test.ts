import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Api, apiWith, signIn } from '../support/api.ts';
import { appOf } from '../support/apps.ts';
import { type Cli, createCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { newHome, PASSWORD, startPlatform, type TestPlatform } from '../support/platform.ts';
import { appProcesses, processesBelow } from '../support/processes.ts';

/** What is planted, by where it comes in. Each is unlike any other text. */
const PLANTED = {
  'a setting of an instance': 'planted-setting-7d1f0c',
  'a setting that an upgrade changes': 'planted-upgrade-51ab9e',
  'a setting of a schedule': 'planted-schedule-c03d7a',
  'a setting that is refused': 'planted-refused-9be2f4',
  'a user’s password': 'planted-password-44d0e1',
  'a changed password': 'planted-changed-8a6c2b',
  'a password that is wrong': 'planted-guess-e7f913',
};
const HOLDER = appOf(
  'holder',
  `const http = require('node:http');
console.log('started');
http.createServer((q, s) => s.end('ok')).listen(process.env.PORT);`,
  {
    config: [
      { key: 'KEY', secret: true, required: true },
      { key: 'SIZE', type: 'number', default: 1 },
    ],
  },
);

describe('secrets', () => {
  const home = newHome();
  let platform: TestPlatform;
  let admin: Api;
  let cli: Cli;
  /** Everything that was answered, to be searched. */
  const answers: { what: string; text: string }[] = [];
  let tokens: Record<string, string>;

  async function ask(api: Api, method: string, path: string, body?: unknown): Promise<number> {
    const response = await api.request(method, path, body);
    answers.push({ what: `${method} ${path}`, text: await response.text() });
    return response.status;
  }

  before(async () => {
    platform = await startPlatform({ home });
    admin = await signIn(platform.url);
    cli = createCli({ AVISHKAR_URL: platform.url, AVISHKAR_TOKEN: admin.token });
    await admin.provide(HOLDER);
    const newer = { ...HOLDER, 'app.json': (HOLDER['app.json'] ?? '').replace('1.0.0', '1.1.0') };
    await admin.provide(newer);
    await admin.provide(
      appOf('neighbour', `require('node:http').createServer((q, s) => s.end()).listen(process.env.PORT);`),
    );

    const deploy = (config: unknown, more: object = {}): Promise<number> =>
      ask(admin, 'POST', '/api/deployedApps/deployApp/', { appName: 'holder', version: '1.0.0', config, ...more });
    assert.equal(await deploy({ KEY: PLANTED['a setting of an instance'] }, { instanceName: 'holder-1' }), 202);
    await admin.reaches('holder-1', 'running');
    await admin.deploy('neighbour', { instanceName: 'neighbour-1' });
    await admin.reaches('neighbour-1', 'running');
    const refused = PLANTED['a setting that is refused'];
    assert.equal(await deploy({ KEY: { text: refused } }), 422);
    assert.equal(await deploy({ KEY: refused, SIZE: 'many' }), 422);
    assert.equal(await deploy({ KEY: refused, UNKNOWN: refused }), 422);
    const upgrade = {
      instanceName: 'holder-1',
      version: '1.1.0',
      config: { KEY: PLANTED['a setting that an upgrade changes'] },
    };
    assert.equal(await ask(admin, 'POST', '/api/deployedApps/upgrade/', upgrade), 202);
    await eventually(
      async () => (await admin.get<{ version: string }>('/api/deployedApps/holder-1')).version === '1.1.0',
      {
        deadlineMs: 30_000,
      },
    );
    const schedule = {
      appName: 'holder',
      instanceName: 'later',
      config: { KEY: PLANTED['a setting of a schedule'] },
      start: new Date(Date.now() + 3600_000).toISOString(),
    };
    assert.equal(await ask(admin, 'POST', '/api/deployedApps/scheduleApp/', schedule), 201);

    const password = PLANTED['a user’s password'];
    assert.equal(await ask(admin, 'POST', '/api/users/', { username: 'sam', password, role: 'developer' }), 201);
    const sam = await signIn(platform.url, 'sam', password);
    const change = { currentPassword: password, newPassword: PLANTED['a changed password'] };
    assert.equal(await ask(sam, 'POST', '/api/users/me/password/', change), 200);
    const guess = { username: 'sam', password: PLANTED['a password that is wrong'] };
    assert.equal(await ask(admin, 'POST', '/api/auth/login/', guess), 401);
    const made = await admin.post<{ id: string; token: string }>('/api/tokens/', { name: 'robot' });
    assert.equal(await ask(apiWith(platform.url, `${made.token}x`), 'GET', '/api/users/me/'), 401);
    tokens = {
      'an API token': made.token.split('_').slice(2).join('_'),
      'a session’s token': admin.token.split('.').at(-1) ?? '',
    };
    assert.ok(Object.values(tokens).every((text) => text.length > 20));
    // Whatever can be read is read.
    for (const path of [
      '/api/deployedApps/getDeployedApps/',
      '/api/deployedApps/holder-1',
      '/api/deployedApps/later',
      '/api/deployedApps/holder-1/events',
      '/api/deployedApps/holder-1/logs?tail=1000',
      '/api/schedules/',
      '/api/users/',
      '/api/tokens/',
      '/api/audit/?limit=200',
      '/api/platform/status/',
      '/get_logs',
      '/metrics',
    ]) {
      assert.equal(await ask(admin, 'GET', path), 200, path);
    }
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    cli.remove();
    home.remove();
  });

  function assertAbsent(where: string, text: string): void {
    for (const [what, secret] of Object.entries({ ...PLANTED, 'the administrator’s password': PASSWORD, ...tokens })) {
      assert.ok(!text.includes(secret), `${what} stands in ${where}`);
    }
  }

  test('no answer repeats one, neither what is shown nor what is refused', () => {
    assert.ok(answers.length > 20);
    for (const { what, text } of answers) assertAbsent(`the answer to ${what}`, text);
  });

  test('none stands in what the platform prints, its logs, databases, messages or blobs', () => {
    assertAbsent('the output', platform.output());
    let searched = 0;
    for (const entry of readdirSync(home.directory, { recursive: true, encoding: 'utf8' })) {
      const path = join(home.directory, entry);
      if (!statSync(path).isFile()) continue;
      assertAbsent(entry, readFileSync(path, 'latin1'));
      searched += 1;
    }
    // Databases with their write-ahead logs, logs of nine services, blobs.
    assert.ok(searched > 30, `only ${searched} files were searched`);
  });

  test('none stands in the arguments of any process, nor in the environment of another app', () => {
    const own = processesBelow(home.directory);
    assert.ok(own.includes(platform.pid));
    for (const pid of own) assertAbsent(`the arguments of ${pid}`, readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
    const apps = appProcesses(home.directory);
    assert.deepEqual(apps.map(({ instance }) => instance).sort(), ['holder-1', 'neighbour-1']);
    for (const { pid, instance } of apps) {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
      if (instance === 'neighbour-1') assertAbsent('the environment of another app', environment);
      // The app itself is told its setting, and nothing else.
      else
        assertAbsent(
          'the environment of its app',
          environment.replace(PLANTED['a setting that an upgrade changes'], ''),
        );
    }
  });

  test('the command line does not show one either', async () => {
    for (const args of [
      ['ps', 'holder-1'],
      ['ps', 'holder-1', '--json'],
      ['events', 'holder-1'],
      ['audit'],
      ['tokens'],
      ['users'],
    ]) {
      const { code, stdout, stderr } = await cli.run(...args);
      assert.equal(code, 0, stderr);
      assertAbsent(`what ${args.join(' ')} prints`, stdout + stderr);
    }
    const guess = createCli({ AVISHKAR_URL: platform.url, AVISHKAR_PASSWORD: PLANTED['a password that is wrong'] });
    const { code, stdout, stderr } = await guess.run('login', '--user', 'sam');
    assert.equal(code, 1);
    assertAbsent('a refused login', stdout + stderr);
    guess.remove();
  });
});
