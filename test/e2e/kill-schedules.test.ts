import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { type Api, signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import {
  FLEET,
  type Home,
  newHome,
  ROOT,
  readyUrl,
  spawnPlatform,
  startPlatform,
  type TestPlatform,
} from '../support/platform.ts';
import { appProcesses } from '../support/processes.ts';

const KILLABLE = join(ROOT, 'test/support/killable.ts');

/** Every commit that a schedule goes through, at the scheduler and at the application manager. */
const POINTS = [
  'schedule.accepted',
  'schedule.started',
  'its-time.started',
  'schedule.ended',
  'its-time.ended',
].flatMap((what) => [`${what}.before`, `${what}.after`]);
const DEADLINE = { deadlineMs: 60_000 };
/** Fewer on a fleet, where a platform takes longer to begin. */
const RANDOM_KILLS = FLEET === null ? 25 : 8;

describe('kill -9 of the platform around the times of a schedule', () => {
  let home: Home;

  before(async () => {
    home = newHome();
    const platform = await startPlatform({ home, entry: KILLABLE });
    await (await signIn(platform.url)).provide(webApp('web'));
    await platform.stop();
  });

  after(async () => {
    assert.deepEqual(appProcesses(home.directory), []);
    home.remove();
  });

  for (const point of POINTS) {
    test(`kill -9 at ${point} while a window begins and ends`, async () => {
      const name = `window-${point.replaceAll('.', '-')}`;
      const dying = spawnPlatform({ home, entry: KILLABLE, env: { KILL_AT: point } });
      // It may die under the request itself: then what counts is what it does afterwards.
      await schedule(await signIn(await readyUrl(dying)), name, 400, 3500).catch(() => null);
      await dies(dying, point);
      const platform = await startPlatform({ home, entry: KILLABLE });
      try {
        await stopped(await signIn(platform.url), name);
      } finally {
        await platform.stop();
      }
      oneOfEach(home, name);
      nothingLeftOver(home);
    });
  }

  for (const point of [
    'its-time.started.before',
    'its-time.started.after',
    'its-time.waited.before',
    'its-time.waited.after',
  ]) {
    test(`kill -9 at ${point} while a schedule replaces what runs`, async () => {
      const name = `replaced-${point.replaceAll('.', '-')}`;
      const dying = spawnPlatform({ home, entry: KILLABLE, env: { KILL_AT: point } });
      const api = await signIn(await readyUrl(dying));
      await api.deploy('web', { instanceName: name });
      const { generation } = await api.reaches(name, 'running');
      await schedule(api, name, 400, 120_000, { overlap: 'replace' }).catch(() => null);
      await dies(dying, point);
      const platform = await startPlatform({ home, entry: KILLABLE });
      try {
        const again = await signIn(platform.url);
        await eventually(async () => {
          const instance = await again.instance(name);
          assert.deepEqual([instance.state, instance.generation], ['running', generation + 1], instance.reason);
          return true;
        }, DEADLINE);
        const { schedules } = await again.get<{ schedules: { instanceName: string; scheduleId: string }[] }>(
          '/api/schedules/',
        );
        const mine = schedules.find(({ instanceName }) => instanceName === name);
        await again.request('DELETE', `/api/schedules/${mine?.scheduleId}?stop=true`);
        await eventually(async () => (await again.instance(name)).state === 'stopped', DEADLINE);
      } finally {
        await platform.stop();
      }
      nothingLeftOver(home);
    });
  }

  test('these are all the points that a schedule is journaled at', async () => {
    const file = join(home.directory, 'schedule-journal.txt');
    const platform = await startPlatform({ home, entry: KILLABLE, env: { JOURNAL_FILE: file } });
    const api = await signIn(platform.url);
    await schedule(api, 'whole-life', 400, 2500);
    await stopped(api, 'whole-life');
    await platform.stop();
    const seen = readFileSync(file, 'utf8').trim().split('\n');
    const ours = new Set(seen.filter((point) => /^(schedule|its-time)\./.test(point)));
    assert.deepEqual([...ours].sort(), [...POINTS].sort());
  });

  test(`kill -9 at ${RANDOM_KILLS} random moments while windows begin and end`, async () => {
    let platform: TestPlatform | null = null;
    const names: string[] = [];
    for (let round = 0; round < RANDOM_KILLS; round += 1) {
      platform = await startPlatform({ home, entry: KILLABLE });
      const busy = beginSome(await signIn(platform.url), round, names);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 1500));
      await platform.kill();
      await busy;
    }
    platform = await startPlatform({ home, entry: KILLABLE });
    const api = await signIn(platform.url);
    const known = (await api.get<{ schedules: { instanceName: string }[] }>('/api/schedules/')).schedules;
    const made = names.filter((name) => known.some(({ instanceName }) => instanceName === name));
    assert.ok(made.length >= 0.4 * RANDOM_KILLS, `only ${made.length} schedules were made`);
    for (const name of made) await stopped(api, name);
    await platform.stop();
    for (const name of made) oneOfEach(home, name);
    nothingLeftOver(home);
  });
});

async function dies(platform: ReturnType<typeof spawnPlatform>, point: string): Promise<void> {
  const deadline = new Promise<string>((resolve) => setTimeout(() => resolve('never'), 30_000).unref());
  const end = await Promise.race([platform.exited, deadline]);
  if (end === 'never') await platform.kill();
  assert.equal(end, 'SIGKILL', `the platform did not come to ${point}:\n${platform.output()}`);
}

async function schedule(api: Api, instanceName: string, startMs: number, endMs: number, more = {}): Promise<void> {
  const at = (ms: number): string => new Date(Date.now() + ms).toISOString();
  const body = { appName: 'web', instanceName, start: at(startMs), end: at(endMs), ...more };
  await api.post('/api/deployedApps/scheduleApp/', body);
}

/** Schedules windows that begin and end about when the platform dies, until it has. */
async function beginSome(api: Api, round: number, names: string[]): Promise<void> {
  try {
    for (let n = 0; n < 3; n += 1) {
      const name = `random-${round}-${n}`;
      names.push(name);
      await schedule(api, name, 100 + n * 300, 2500 + n * 1000);
    }
  } catch {
    // The platform was killed under the request, which is the point.
  }
}

/** Waits until the window is over and what it started is gone. One that was over before it could start ends cancelled. */
async function stopped(api: Api, name: string): Promise<void> {
  await eventually(async () => {
    const { schedules } = await api.get<{ schedules: { instanceName: string; state: string }[] }>('/api/schedules/');
    const mine = schedules.filter(({ instanceName }) => instanceName === name);
    assert.deepEqual(
      mine.map(({ state }) => state),
      ['ended'],
      `${name} is made once, and ends`,
    );
    const { state, reason } = await api.instance(name);
    assert.ok(['stopped', 'cancelled'].includes(state), `${state}: ${reason}`);
    return true;
  }, DEADLINE);
}

/** One deployment and one stop of the instance, each told once to those who act on it. */
function oneOfEach(home: Home, name: string): void {
  const kinds = (file: string, kind: string): number =>
    query(home, file, `SELECT id FROM sagas WHERE kind = '${kind}' AND subject = '${name}'`).length;
  const launches = kinds('application-manager.db', 'launch');
  const missed = query(home, 'bus.db', `SELECT value FROM messages WHERE value LIKE '%skipped its time$${name}$%'`);
  // A window that the platform slept through is told as left out, and nothing starts.
  assert.equal(launches, missed.length > 0 ? 0 : 1, `${name} was launched ${launches} times`);
  assert.ok(kinds('deployment-manager.db', 'deploy') <= launches);
  assert.ok(kinds('deployment-manager.db', 'stop') <= launches);
  const told = (verb: string): number =>
    new Set(
      query(home, 'bus.db', `SELECT value FROM messages WHERE topic = 'first_topic'`)
        .map(({ value }) => JSON.parse(String(value)) as { msg: string; request_id: string })
        .filter(({ msg }) => msg === `${verb}$${name}`)
        .map(({ request_id: id }) => id),
    ).size;
  assert.deepEqual([told('its time'), told('its end time')], [launches, launches]);
  const lines = query(home, 'application-manager.db', `SELECT text FROM events WHERE instance = '${name}'`).map(
    ({ text }) => String(text),
  );
  assert.equal(lines.filter((text) => /has come: deploying/.test(text)).length, launches, lines.join('\n'));
  assert.equal(lines.filter((text) => /is over: stopping/.test(text)).length, launches, lines.join('\n'));
}

function query(home: Home, file: string, sql: string): Record<string, unknown>[] {
  const db = new DatabaseSync(join(home.directory, 'state', file), { readOnly: true });
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
}

/** What the tables of a stopped platform say: no message lost, none acted on twice. */
function nothingLeftOver(home: Home): void {
  for (const service of ['application-manager', 'deployment-manager', 'scheduler', 'load-balancer']) {
    assert.deepEqual(query(home, `${service}.db`, 'SELECT * FROM messenger_outbox'), [], `${service} did not send all`);
  }
  for (const service of ['application-manager', 'deployment-manager']) {
    const live = `SELECT kind, subject, state FROM sagas WHERE state IN ('running', 'compensating')`;
    assert.deepEqual(query(home, `${service}.db`, live), []);
    const twice = `SELECT kind, subject, request_id FROM sagas GROUP BY kind, request_id, subject HAVING count(*) > 1`;
    assert.deepEqual(query(home, `${service}.db`, twice), [], 'a command was acted on twice');
  }
  assert.deepEqual(query(home, 'bus.db', `SELECT topic, value FROM messages WHERE topic LIKE '%.dead'`), []);
  assert.deepEqual(query(home, 'bus.db', 'SELECT * FROM parked'), []);
  assert.deepEqual(
    query(
      home,
      'load-balancer.db',
      `SELECT replicas.app FROM replicas JOIN apps ON apps.name = replicas.app WHERE apps.kind = 'app'`,
    ),
    [],
  );
}
