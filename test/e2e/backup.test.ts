import assert from 'node:assert/strict';
import {
  createWriteStream,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { after, before, describe, test } from 'node:test';
import { ZipFile } from 'yazl';
import { type Api, signIn } from '../support/api.ts';
import { appOf } from '../support/apps.ts';
import { type Cli, createCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { newHome, PASSWORD, startPlatform, type TestPlatform } from '../support/platform.ts';

const SECRET = 'planted-secret-9f2c';
const KEEPER = appOf(
  'keeper',
  `require('node:http').createServer((q, s) => s.end(process.env.KEY === '${SECRET}' ? 'knows it' : 'does not'))
  .listen(process.env.PORT);`,
  { config: [{ key: 'KEY', type: 'string', secret: true, required: true }] },
);

describe('backup and restore', () => {
  const home = newHome();
  const folder = mkdtempSync(join(tmpdir(), 'avishkar-backup-'));
  const file = join(folder, 'copy.zip');
  let platform: TestPlatform;
  let api: Api;
  let cli: Cli;
  let endpoint: string | null;

  before(async () => {
    platform = await startPlatform({ home });
    api = await signIn(platform.url);
    cli = createCli({ AVISHKAR_URL: platform.url, AVISHKAR_TOKEN: api.token });
    await api.provide(KEEPER);
    await api.post('/api/auth/register/', { username: 'alice', password: 'a good password', role: 'developer' });
    await api.deploy('keeper', { instanceName: 'keeper-1', config: { KEY: SECRET } });
    ({ endpoint } = await api.reaches('keeper-1', 'running'));
    await api.deploy('keeper', { instanceName: 'ended', config: { KEY: 'other' } });
    await api.reaches('ended', 'running');
    await api.stop('ended');
    await api.reaches('ended', 'stopped');
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    cli.remove();
    home.remove();
    rmSync(folder, { recursive: true });
  });

  test('a backup is taken while apps come and go, is private, and leaves nothing in the home', async () => {
    const busy = ['a', 'b', 'c'].map((name) => api.deploy('keeper', { instanceName: name, config: { KEY: SECRET } }));
    const taken = await cli.run('backup', file);
    assert.equal(taken.code, 0, taken.stderr);
    assert.match(taken.stdout, /keep it like a password/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    await Promise.all(busy);
    await eventually(() => readdirSync(join(home.directory, 'backups')).length === 0);
    // Settings are sealed in it; the key lies beside them, which is why it is to be kept like a password.
    assert.ok(!readFileSync(file).includes(SECRET));
    const again = await cli.run('backup', file);
    assert.deepEqual([again.code, /is there already/.test(again.stderr)], [1, true]);
  });

  test('a running platform’s home is not restored over', async () => {
    const refused = await cli.run('restore', file, '--home', home.directory);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /there is a platform in .*AVK_CONFLICT/);
    const locked = await cli.run('restore', file, '--home', home.directory, '--replace');
    assert.equal(locked.code, 1);
    assert.match(locked.stderr, /AVK_HOME_LOCKED/);
    assert.equal((await api.instance('keeper-1')).state, 'running');
  });

  test('a home that was destroyed comes back: users, apps, instances at their addresses, secrets', async () => {
    await platform.kill();
    rmSync(home.directory, { recursive: true });
    const restored = await cli.run('restore', file, '--home', home.directory);
    assert.equal(restored.code, 0, restored.stderr);
    platform = await startPlatform({ home });
    api = await signIn(platform.url);
    await signIn(platform.url, 'alice', 'a good password');
    const back = await api.reaches('keeper-1', 'running');
    assert.equal(back.endpoint, endpoint);
    await eventually(async () => (await (await fetch(endpoint ?? '')).text()) === 'knows it', { deadlineMs: 30_000 });
    assert.equal((await api.instance('ended')).state, 'stopped');
    // Those that were on their way go on.
    await api.deploy('keeper', { instanceName: 'after', config: { KEY: SECRET } });
    await api.reaches('after', 'running');
    await eventually(async () => (await api.instances()).every(({ state }) => ['running', 'stopped'].includes(state)), {
      deadlineMs: 30_000,
    });
    assert.equal(statSync(join(home.directory, 'keys', 'secrets.key')).mode & 0o077, 0);
  });

  test('a home that is there is set aside, not removed', async () => {
    assert.equal(await platform.stop(), 0);
    const marker = join(home.directory, 'marker');
    writeFileSync(marker, 'here');
    const restored = await cli.run('restore', file, '--home', home.directory, '--replace', '--json');
    assert.equal(restored.code, 0, restored.stderr);
    const { setAside } = JSON.parse(restored.stdout) as { setAside: string };
    assert.equal(readFileSync(join(setAside, 'marker'), 'utf8'), 'here');
    assert.ok(!existsSync(marker));
    rmSync(setAside, { recursive: true });
    platform = await startPlatform({ home });
    api = await signIn(platform.url, 'admin', PASSWORD);
  });

  for (const [what, make] of Object.entries({
    'cut off': (whole: Buffer) => whole.subarray(0, whole.length - 200),
    'damaged in the middle': (whole: Buffer) => {
      const changed = Buffer.from(whole);
      changed.fill(0x55, Math.floor(whole.length / 2), Math.floor(whole.length / 2) + 64);
      return changed;
    },
    'no zip': () => Buffer.from('not a zip'),
  })) {
    test(`a backup that is ${what} is refused, and nothing is left behind`, async () => {
      const broken = join(folder, 'broken.zip');
      writeFileSync(broken, make(readFileSync(file)));
      await refusedWhole(broken, /cannot be restored/);
    });
  }

  test('a zip that is no backup, or leads elsewhere, is refused', async () => {
    const manifest = JSON.stringify({ format: 1, version: '0', createdAt: '', files: {} });
    for (const [entries, why] of [
      [{ 'state/application-manager.db': 'x' }, /no backup\.json/],
      [{ 'elsewhere/x': 'y', 'backup.json': manifest }, /is nothing that a backup holds/],
      [{ 'state/extra.db': 'y', 'backup.json': manifest }, /state\/extra\.db was damaged/],
      [{ 'backup.json': manifest.replace('"format":1', '"format":7') }, /format/],
    ] as const) {
      const path = join(folder, 'foreign.zip');
      const zip = new ZipFile();
      for (const [name, text] of Object.entries(entries)) zip.addBuffer(Buffer.from(text), name);
      zip.end();
      await pipeline(zip.outputStream as Readable, createWriteStream(path));
      await refusedWhole(path, why);
    }
  });

  test('doctor finds nothing wrong with a sound platform, and says what to do about one that is not', async () => {
    const own = createCli({ AVISHKAR_URL: platform.url, AVISHKAR_TOKEN: api.token });
    await eventually(async () => (await own.run('doctor')).code === 0, { deadlineMs: 30_000, everyMs: 500 });
    const sound = await own.run('doctor', '--json');
    const { checks } = JSON.parse(sound.stdout) as { checks: { name: string; status: string }[] };
    for (const name of ['address', 'platform', 'node1', 'disk', 'keys', 'databases', 'home']) {
      assert.equal(checks.find((check) => check.name === name)?.status, 'ok', `${name}: ${sound.stdout}`);
    }
    assert.equal(await platform.stop(), 0);
    writeFileSync(join(home.directory, 'state', 'scheduler-copy.db'), 'this is no database at all');
    const down = await own.run('doctor', '--home', home.directory);
    assert.equal(down.code, 1);
    assert.match(down.stdout, /FAILED +address: no platform answers/);
    assert.match(down.stdout, /FAILED +databases: .*\n +restore a backup/);
    rmSync(join(home.directory, 'state', 'scheduler-copy.db'));
    own.remove();
    platform = await startPlatform({ home });
  });

  async function refusedWhole(path: string, why: RegExp): Promise<void> {
    const target = join(folder, 'target');
    const refused = await cli.run('restore', path, '--home', target);
    assert.equal(refused.code, 1, refused.stdout);
    assert.match(refused.stderr, why);
    assert.match(refused.stderr, /AVK_BAD_ZIP/);
    assert.ok(!existsSync(target) && !existsSync(`${target}.restoring`));
  }
});
