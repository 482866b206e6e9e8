import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { appOf } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { machineOf } from '../support/machine.ts';
import { newHome, PASSWORD, ROOT, startPlatform, type TestPlatform } from '../support/platform.ts';
import { askableApp } from './http.support.ts';

const SAMPLE = join(ROOT, 'examples/room-comfort');
const DEADLINE_MS = 60_000;

interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

describe('the command line against a platform', () => {
  let platform: TestPlatform;
  let folder: string;
  const children = new Set<ChildProcess>();

  /** Starts the command and says what it has printed so far. */
  function start(args: readonly string[], env: Record<string, string> = {}, input?: string) {
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(ROOT, 'src/cli/main.ts'), ...args],
      {
        env: { PATH: process.env.PATH, XDG_CONFIG_HOME: folder, AVISHKAR_URL: platform.url, ...env },
        stdio: ['pipe', 'pipe', 'pipe'],
        timeout: DEADLINE_MS,
      },
    );
    children.add(child);
    const printed = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        printed[name] += text;
      });
    }
    child.stdin.end(input ?? '');
    const done = new Promise<Result>((resolve) => {
      child.on('close', (code) => {
        children.delete(child);
        resolve({ code, ...printed });
      });
    });
    return { child, printed, done };
  }

  const run = (...args: string[]): Promise<Result> => start(args).done;

  /** Runs it with --json and takes the document; fails when the command does. */
  async function json(...args: string[]): Promise<Record<string, never>> {
    const { code, stdout, stderr } = await run(...args, '--json');
    assert.equal(code, 0, stderr);
    assert.equal(stderr, '');
    return JSON.parse(stdout);
  }

  function appFolder(name: string, files: Record<string, string>): string {
    const path = join(folder, name);
    mkdirSync(path, { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
    return path;
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'avishkar-cli-'));
    platform = await startPlatform({ home: newHome() });
  });

  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    await platform?.stop();
    platform?.home.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test('who is not signed in is told how to', async () => {
    const { code, stderr, stdout } = await run('ps');
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /not signed in; sign in with: npx avishkar login --url http:/);
    const refused = await run('ps', '--json');
    assert.equal(refused.code, 1);
    assert.equal(JSON.parse(refused.stdout).error.code, 'AVK_UNAUTHENTICATED');
  });

  test('a wrong password is refused, and not remembered', async () => {
    const wrong = await start(['login'], {}, 'wrong\n').done;
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /user name or the password is wrong/);
    assert.equal((await run('ps')).code, 1);
    assert.match((await start(['login'], {}, '').done).stderr, /password is empty/);
  });

  test('login takes the password from standard input or the environment', async () => {
    const piped = await start(['login', '--user', 'admin'], {}, `${PASSWORD}\n`).done;
    assert.equal(piped.code, 0, piped.stderr);
    assert.match(piped.stdout, /^Signed in to .* as admin \(admin\)/);
    assert.equal(`${piped.stdout}${piped.stderr}`.includes(PASSWORD), false);
    assert.equal((await start(['login'], { AVISHKAR_PASSWORD: PASSWORD }).done).code, 0);
    // The platform of the last login needs no naming.
    assert.equal((await start(['ps'], { AVISHKAR_URL: '' }).done).code, 0);
  });

  test('wrong usage exits with 2 and says what was expected', async () => {
    const cases: [string[], RegExp][] = [
      [['deploy'], /missing required argument 'app'/],
      [['nonsense'], /unknown command/],
      [['ps', '--nonsense'], /unknown option/],
      [['deploy', 'x', '--set', 'nothing'], /Expected KEY=VALUE/],
      [['scale', 'x'], /a number or --min and --max/],
      [['scale', 'x', '2', '--min', '1'], /a number or --min and --max/],
      [['scale', 'x', 'two'], /Expected a whole number/],
      [['stop', 'x', 'y'], /too many arguments/],
    ];
    for (const [args, expected] of cases) {
      const { code, stderr, stdout } = await run(...args);
      assert.deepEqual([code, stdout], [2, ''], args.join(' '));
      assert.match(stderr, expected);
    }
    assert.equal((await run('--help')).code, 0);
  });

  test('a platform that is not there is named, with what to do', async () => {
    const { code, stderr } = await run('ps', '--url', 'http://127.0.0.1:9');
    assert.equal(code, 1);
    assert.match(stderr, /127\.0\.0\.1:9.*(start it with: npm start|bad port)/);
    const free = await run('ps', '--url', 'http://127.0.0.1:10999');
    assert.match(
      free.stderr,
      /no platform answers at http:\/\/127\.0\.0\.1:10999; start it with: npm start, or name another with --url/,
    );
  });

  test('upload of a folder, twice: the second time nothing is new', async () => {
    const first = await run('upload', SAMPLE);
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /^Uploaded room-comfort 1\.0\.0 \([\d.]+ kB\)\.\n$/);
    assert.match((await run('upload', SAMPLE)).stdout, /there already with the same content/);
    const { apps } = (await json('apps')) as unknown as { apps: { name: string }[] };
    assert.deepEqual(
      apps.map(({ name }) => name),
      ['room-comfort'],
    );
    assert.match((await run('apps')).stdout, /^NAME .*\nroom-comfort +1\.0\.0 +node/);
  });

  test('apps shows all versions, and apps rm removes one', async () => {
    for (const version of ['1.0.0', '1.1.0']) {
      const path = appFolder('short-lived', appOf('short-lived', '', { version, description: 'comes and goes' }));
      assert.equal((await run('upload', path)).code, 0);
    }
    const listed = (await run('apps')).stdout;
    assert.match(listed, /\nshort-lived +1\.1\.0 +node .* comes and goes\nshort-lived +1\.0\.0 +node .* by admin\n/);
    assert.equal((await run('apps', 'rm', 'short-lived', '1.0.0')).stdout, 'Removed short-lived 1.0.0.\n');
    const again = await run('apps', 'rm', 'short-lived', '1.0.0');
    assert.equal(again.code, 1);
    assert.match(again.stderr, /no app short-lived of version 1\.0\.0.*AVK_NOT_FOUND/);
    assert.deepEqual(await json('apps', 'rm', 'short-lived', '1.1.0'), {});
    assert.equal((await run('apps', 'rm', 'short-lived')).code, 2);
    assert.doesNotMatch((await run('apps')).stdout, /short-lived/);
  });

  test('what cannot be uploaded says why', async () => {
    assert.match((await run('upload', join(folder, 'nowhere'))).stderr, /nowhere cannot be read/);
    assert.match((await run('upload', folder)).stderr, /has no app\.json/);
    const bad = appFolder('bad', { 'app.json': '{"name": "bad", "version": "1", "port": "many"}', 'main.js': '' });
    const refused = await run('upload', bad);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /app\.json: port: .*\(AVK_BAD_MANIFEST\)/);
  });

  test('deploy shows its steps and ends with the endpoint, which serves', async () => {
    const { code, stdout, stderr } = await run(
      'deploy',
      'room-comfort',
      '--set',
      'THRESHOLD=24.5',
      '--set',
      'ROOM=Lab 7',
    );
    assert.equal(code, 0, stderr);
    const steps = stdout.split('\n').flatMap((line) => /^ +[\d.]+ s {2}(\w+) /.exec(line)?.[1] ?? []);
    assert.equal(steps[0], 'requested');
    assert.equal(steps.at(-1), 'running');
    const endpoint = /^room-comfort-1 is served at (http:\S+)$/m.exec(stdout)?.[1] ?? '';
    const now = (await (await fetch(`${endpoint}/api/now`)).json()) as Record<string, unknown>;
    assert.deepEqual(now.limits, { temperature: 24.5, co2: 1000 });
    assert.deepEqual([now.room, now.replica], ['Lab 7', 'room-comfort-1_instance_1']);
    assert.match(await (await fetch(endpoint)).text(), /<title>Room comfort<\/title>/);
  });

  test('settings and apps that do not exist are refused with the ones that do', async () => {
    const wrong = await run('deploy', 'room-comfort', '--set', 'THRESHOLD=warm');
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /config\.THRESHOLD: expected a number/);
    assert.match((await run('deploy', 'room-comfort', '--set', 'WARM=1')).stderr, /ROOM, THRESHOLD, CO2_LIMIT/);
    assert.match((await run('deploy', 'nope')).stderr, /no app nope; upload it first/);
    assert.match((await run('deploy', 'nope', '--set', 'A=1')).stderr, /no app nope; there is room-comfort/);
    assert.match((await run('deploy', 'room-comfort', '--version', '9')).stderr, /no version 9; there is 1\.0\.0/);
    assert.match((await run('logs', 'nope')).stderr, /no instance nope/);
  });

  test('a deployment that fails ends with the reason, the last lines and status 1', async () => {
    const path = appFolder('broken', appOf('broken', 'console.log("no disc in drive"); process.exit(7);'));
    assert.equal((await run('upload', path)).code, 0);
    const { code, stderr } = await run('deploy', 'broken');
    assert.equal(code, 1);
    assert.match(stderr, /broken-1 failed: .*7/);
    assert.match(stderr, /\| no disc in drive/);
    const machine = await run('deploy', 'broken', '--json');
    assert.equal(machine.code, 1);
    assert.equal(JSON.parse(machine.stdout).state, 'failed');
  });

  test('ps, logs, events and nodes, for people and for programs', async () => {
    assert.match((await run('ps')).stdout, /^room-comfort-1 +room-comfort 1\.0\.0 +running +1\/1 +http:/m);
    assert.match((await run('ps', 'room-comfort-1')).stdout, /ROOM=Lab 7[\s\S]*room-comfort-1_instance_1 +node1/);
    const { lines } = (await json('logs', 'room-comfort-1')) as unknown as { lines: { line: string }[] };
    assert.ok(lines.some(({ line }) => line.includes('serves "Lab 7"')));
    assert.match((await run('logs', 'room-comfort-1', '--tail', '5')).stdout, /^\d\d:\d\d:\d\d instance_1 \| /);
    assert.match((await run('events', 'room-comfort-1')).stdout, /running +serving at http:/);
    const { vm_ip } = machineOf(platform.home, 'node1');
    assert.match((await run('nodes')).stdout.replace(vm_ip, 'IP'), /^node1 +IP +ready/m);
    for (const args of [['ps'], ['ps', 'room-comfort-1'], ['events', 'room-comfort-1'], ['nodes'], ['apps']])
      await json(...args);
  });

  test('metrics shows a curve per replica, and all points to programs', async () => {
    const shown = await eventually(
      async () => {
        const { stdout } = await run('metrics', 'room-comfort-1');
        return /^REPLICA/.test(stdout) ? stdout : null;
      },
      { deadlineMs: 45_000, everyMs: 500 },
    );
    assert.match(
      shown,
      /^REPLICA +CPU +LAST +HIGHEST +MEMORY +LAST +HIGHEST\nroom-comfort-1_instance_1 .*[▁▂▃▄▅▆▇█] +[\d.]+ %/,
    );
    const { series } = (await json('metrics', 'room-comfort-1')) as unknown as { series: { points: number[][] }[] };
    assert.ok(series[0]?.points.every((point) => point.length === 3));
    assert.match(
      (await run('metrics', 'room-comfort-1', '--to', '2020-01-01T00:00:00Z')).stdout,
      /Nothing is recorded/,
    );
    const wrong = await run('metrics', 'room-comfort-1', '--from', 'yesterday');
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /from: expected an RFC 3339 time .*\(AVK_BAD_REQUEST\)/);
  });

  test('a reader that goes away is no failure', async () => {
    const { child, done } = start(['ps']);
    child.stdout.destroy();
    const { code, stderr } = await done;
    assert.deepEqual([code, stderr], [0, '']);
  });

  test('followed logs and news come as they happen; the logs end with the instance', async () => {
    const name = 'followed';
    assert.equal((await run('deploy', 'room-comfort', '--name', name)).code, 0);
    const logs = start(['logs', '-f', name, '--json']);
    const events = start(['events', '-f', name]);
    const news = start(['events', '--json']);
    await eventually(() => logs.printed.stdout.includes('serves') && events.printed.stdout.includes('serving at'));
    assert.equal((await run('scale', name, '2')).code, 0);
    await eventually(
      () => events.printed.stdout.includes('scaling to 2') && news.printed.stdout.includes('scaling to 2'),
    );
    await eventually(async () => /2\/2/.test((await run('ps')).stdout), { deadlineMs: 20_000 });
    const stopped = await run('stop', name);
    assert.equal(stopped.code, 0, stopped.stderr);
    assert.equal(stopped.stdout, `${name} is stopped.\n`);
    const { code, stdout } = await logs.done;
    assert.equal(code, 0);
    for (const line of stdout.trim().split('\n')) assert.equal(typeof JSON.parse(line).line, 'string');
    await eventually(() => events.printed.stdout.includes('stopped'));
    for (const line of news.printed.stdout.trim().split('\n')) assert.equal(JSON.parse(line).instance, name);
    const counted = events.printed.stdout.split('\n').filter((line) => line.includes('scaling to 2'));
    assert.equal(counted.length, 1, 'told once');
    for (const { child, done } of [events, news]) {
      child.kill('SIGINT');
      assert.equal((await done).code, 0);
    }
  });

  test('cancel gives up a deployment under way', async () => {
    const silent = appOf('silent', 'setInterval(() => {}, 1000);', { health: { path: '/', startSeconds: 60 } });
    assert.equal((await run('upload', appFolder('silent', silent))).code, 0);
    const queued = await run('deploy', 'silent', '--no-wait', '--json');
    assert.equal(JSON.parse(queued.stdout).instanceName, 'silent-1');
    const cancelled = await run('cancel', 'silent-1');
    assert.deepEqual([cancelled.code, cancelled.stdout], [0, 'silent-1 is cancelled.\n'], cancelled.stderr);
    const running = await run('cancel', 'room-comfort-1');
    assert.equal(running.code, 1);
    assert.match(running.stderr, /stop it instead/);
  });

  test('schedule shows what is to come before it saves, and lists, pauses, resumes and deletes', async () => {
    const weekdays = [
      'schedule',
      'room-comfort',
      '--start',
      '2027-03-26T08:00',
      '--end',
      '+10h',
      '--timezone',
      'Europe/Berlin',
    ];
    weekdays.push('--repeat', '0 8 * * 1-5', '--name', 'office', '--set', 'ROOM=Office');
    const dry = await run(...weekdays, '--dry-run');
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /^STARTS +ENDS\nFri 2027-03-26 08:00 +Fri 2027-03-26 18:00\nMon 2027-03-29 08:00 /);
    assert.match(dry.stdout, /Times are in Europe\/Berlin/);
    assert.match((await run('schedule', 'list')).stdout, /^Nothing is scheduled/);
    const made = await run(...weekdays);
    assert.equal(made.code, 0, made.stderr);
    const id = /^office is scheduled \(([\w-]+)\)/.exec(made.stdout)?.[1] ?? '';
    assert.match(
      (await run('schedule', 'list')).stdout,
      new RegExp(`^${id} +office +room-comfort +waiting +Fri 2027-03-26 08:00 Europe/Berlin +0 8 `, 'm'),
    );
    assert.match((await run('schedule', 'pause', id)).stdout, /^office is paused/);
    assert.match((await run('schedule', 'resume', id)).stdout, /^office goes on, next on Fri 2027-03-26 08:00/);
    const { schedules } = (await json('schedule', 'list')) as unknown as { schedules: { scheduleId: string }[] };
    assert.deepEqual(
      schedules.map(({ scheduleId }) => scheduleId),
      [id],
    );
    assert.match((await run('schedule', 'rm', id)).stdout, /^The schedule is deleted: office was scheduled only/);
    assert.match((await run('schedule', 'rm', id)).stderr, /no schedule/);
  });

  test('schedule starts after a span, and refuses what it cannot place with the field and what was expected', async () => {
    const made = (await json('schedule', 'room-comfort', '--start', '+1s', '--name', 'soon')) as unknown as {
      scheduleId: string;
    };
    await eventually(async () => /^soon .* running /m.test((await run('ps')).stdout), { deadlineMs: 20_000 });
    assert.equal((await run('stop', 'soon')).code, 0);
    assert.match(
      (await run('schedule', 'list', '--all')).stdout,
      new RegExp(`^${made.scheduleId} +soon +room-comfort +ended`, 'm'),
    );
    const cases: [string[], RegExp][] = [
      [['--start', 'soon'], /start: expected a time such as/],
      [['--start', '+1h', '--end', '+x'], /--end: expected a time, or a span/],
      [['--start', '+1h', '--timezone', 'Mars'], /timezone: expected the name of an IANA time zone[\s\S]*got Mars/],
      [['--start', '+1h', '--repeat', '* * *'], /recurrence: .*five fields/],
      [['--start', '+1h', '--set', 'WARM=1'], /ROOM, THRESHOLD, CO2_LIMIT/],
    ];
    for (const [args, expected] of cases) {
      const { code, stderr } = await run('schedule', 'room-comfort', ...args);
      assert.equal(code, 1, args.join(' '));
      assert.match(stderr, expected);
    }
    const usage = await run('schedule', 'room-comfort');
    assert.deepEqual([usage.code, usage.stdout], [2, '']);
    assert.match(usage.stderr, /--start/);
  });

  test('upgrade, rollback and restart tell their steps; one that is taken back says why', async () => {
    const version = (number: string, main: string) =>
      appOf('rolling', main, { version: number, health: { path: '/', startSeconds: 1 }, stopSeconds: 1 });
    const serving = (text: string): string =>
      `require('node:http').createServer((q, s) => s.end('${text} ' + process.env.ROOM)).listen(process.env.PORT);`;
    const settings = { config: [{ key: 'ROOM', default: 'Lab' }] };
    const upload = async (files: Record<string, string>): Promise<void> => {
      const manifest = { ...JSON.parse(files['app.json'] ?? ''), ...settings };
      const path = appFolder(`rolling-${manifest.version}`, { ...files, 'app.json': JSON.stringify(manifest) });
      assert.equal((await run('upload', path)).code, 0);
    };
    await upload(version('1.0.0', serving('one')));
    await upload(version('2.0.0', serving('two')));
    await upload(version('3.0.0', 'console.log("no disc in drive"); process.exit(7);'));
    const deployed = await json('deploy', 'rolling', '--version', '1.0.0', '--name', 'roll');
    const endpoint = String(deployed.endpoint);
    const upgraded = await run('upgrade', 'roll', '2.0.0', '--set', 'ROOM=Attic');
    assert.equal(upgraded.code, 0, upgraded.stderr);
    const steps = upgraded.stdout.split('\n').flatMap((line) => /^ +[\d.]+ s {2}(\w+) /.exec(line)?.[1] ?? []);
    assert.deepEqual([steps[0], steps.at(-1)], ['upgrading', 'upgraded']);
    assert.ok(upgraded.stdout.includes(`roll runs 2.0.0 at ${endpoint}`), upgraded.stdout);
    assert.equal(await (await fetch(endpoint)).text(), 'two Attic');

    const failed = await run('upgrade', 'roll', '3.0.0');
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /roll still runs 2\.0\.0: the upgrade was rolled back: .*code 7.*no disc in drive/);
    assert.match(failed.stderr, /\| no disc in drive/);
    assert.match((await run('ps', 'roll')).stdout, /Rollout +3\.0\.0 rolled back: /);
    const restarted = await run('restart', 'roll');
    assert.equal(restarted.code, 0, restarted.stderr);
    const back = await json('rollback', 'roll');
    assert.deepEqual([back.version, back.state], ['1.0.0', 'running']);
    assert.equal(await (await fetch(endpoint)).text(), 'one Attic');
    assert.match((await run('rollback', 'roll')).stderr, /has run no other version.*\(AVK_CONFLICT\)/);
    assert.match((await run('upgrade', 'roll', '9')).stderr, /no version 9; there is 3\.0\.0, 2\.0\.0, 1\.0\.0/);
    const queued = await run('restart', 'roll', '--no-wait', '--json');
    assert.deepEqual([queued.code, JSON.parse(queued.stdout).instanceName], [0, 'roll']);
    assert.equal((await run('stop', 'roll')).code, 0);
  });

  test('drain empties a machine or says why not, resume takes it into use again', async () => {
    const stuck = await run('drain', 'node1');
    assert.equal(stuck.code, 1);
    assert.match(stuck.stderr, /node1 is draining: 1 replica has nowhere to go: no machine can take it/);
    assert.match((await run('nodes')).stdout, /^node1 .* draining .* nowhere to go/m);
    assert.equal((await run('drain', 'node1', '--no-wait')).stdout, 'node1 is draining.\n');
    assert.equal((await run('resume', 'node1')).stdout, 'node1 is ready.\n');
    const unknown = await run('drain', 'node7');
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /no machine node7; there is node1 \(AVK_NOT_FOUND\)/);
    const drained = await json('resume', 'node1');
    assert.deepEqual(drained, { name: 'node1', state: 'ready' });
  });

  test('stop ends the instance, and stopping again is harmless', async () => {
    for (let n = 0; n < 2; n += 1) {
      const { code, stdout } = await run('stop', 'room-comfort-1');
      assert.deepEqual([code, stdout], [0, 'room-comfort-1 is stopped.\n']);
    }
    const { stdout, stderr } = await run('ps');
    assert.equal(stdout.includes('room-comfort-1'), false);
    assert.match(stderr, /see them with --all/);
    assert.match((await run('ps', '--all')).stdout, /^room-comfort-1 .* stopped /m);
  });

  test('followed logs go on when the platform was away', async () => {
    assert.equal((await run('upload', appFolder('talker', askableApp('talker')))).code, 0);
    const { endpoint } = await json('deploy', 'talker', '--name', 'away');
    const logs = start(['logs', '-f', 'away']);
    await eventually(() => logs.printed.stdout.includes('started away_instance_1'));
    await platform.stop();
    await eventually(() => logs.printed.stderr.includes('trying again'));
    platform = await startPlatform({ home: platform.home });
    await eventually(async () => (await fetch(`${endpoint}/print?text=heard-again`)).ok);
    await eventually(() => logs.printed.stdout.includes('heard-again'), { deadlineMs: 20_000 });
    logs.child.kill('SIGINT');
    assert.equal((await logs.done).code, 0);
  });
});
