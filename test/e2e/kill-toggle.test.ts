import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, newHome, ROOT, readyUrl, spawnPlatform, startPlatform } from '../support/platform.ts';

const KILLABLE = join(ROOT, 'test/support/killable.ts');
const both = (step: string): string[] => [`${step}.before`, `${step}.after`];

/** Every entry of the platform initializer's journal, by what the platform was asked for. */
const POINTS: Record<'start' | 'stop', string[]> = {
  start: [
    ...both('platform-start.deploy.entered'),
    ...both('platform-start.deploy.finished'),
    'platform-start.end.ended.after',
  ],
  stop: [
    ...both('platform-stop.withdraw.entered'),
    ...both('platform-stop.withdraw.finished'),
    'platform-stop.end.ended.after',
  ],
};

describe('kill -9 of the platform while it is started or stopped', () => {
  let home: Home;

  before(async () => {
    home = newHome();
    const platform = await startPlatform({ home, entry: KILLABLE });
    const api = await signIn(platform.url);
    await api.provide(webApp('web'));
    await api.deploy('web', { instanceName: 'web-1' });
    await api.reaches('web-1', 'running');
    await platform.stop();
  });

  after(() => home.remove());

  for (const [verb, points] of Object.entries(POINTS)) {
    for (const point of points) {
      test(`kill -9 at ${point} while the platform should ${verb}`, async () => {
        const dying = spawnPlatform({ home, entry: KILLABLE, env: { KILL_AT: point } });
        if (verb === 'stop') {
          const api = await signIn(await readyUrl(dying));
          await api.request('POST', '/api/platform/stop/').catch(() => null);
        }
        assert.equal(await within(dying.exited, point), 'SIGKILL', dying.output());

        const platform = await startPlatform({ home, entry: KILLABLE });
        try {
          const api = await signIn(platform.url);
          await eventually(async () => {
            const { status, services } = await api.get<{ status: string; services: { state: string }[] }>(
              '/api/platform/status/',
            );
            return status === 'running' && services.every(({ state }) => state === 'running');
          });
          await eventually(async () => (await fetch((await api.instance('web-1')).endpoint ?? '')).ok);
        } finally {
          await platform.stop();
        }
        everythingAnsweredOnce(home);
      });
    }
  }

  test('the named points of starting and stopping are all that is journaled', async () => {
    const file = join(home.directory, 'journal.txt');
    const platform = await startPlatform({ home, entry: KILLABLE, env: { JOURNAL_FILE: file } });
    const api = await signIn(platform.url);
    await api.request('POST', '/api/platform/stop/');
    await eventually(() => readFileSync(file, 'utf8').includes('platform-stop.end.ended.after'));
    await platform.stop();
    const seen = new Set(readFileSync(file, 'utf8').trim().split('\n'));
    assert.deepEqual(
      [...seen].filter((point) => point.startsWith('platform-')).sort(),
      Object.values(POINTS).flat().sort(),
    );
  });
});

function within(exited: Promise<number | string>, point: string): Promise<number | string> {
  const late = new Promise<string>((resolve) => setTimeout(() => resolve(`never came to ${point}`), 30_000).unref());
  return Promise.race([exited, late]);
}

/** No toggle is left under way, and each was answered exactly once under its own id. */
function everythingAnsweredOnce(home: Home): void {
  const initializer = new DatabaseSync(join(home.directory, 'state', 'platform-initializer.db'), { readOnly: true });
  const bus = new DatabaseSync(join(home.directory, 'state', 'bus.db'), { readOnly: true });
  try {
    const sagas = initializer.prepare('SELECT request_id, state FROM sagas').all();
    const answers = bus
      .prepare(`SELECT value FROM messages WHERE topic = 'first_topic'`)
      .all()
      .map(({ value }) => JSON.parse(String(value)) as { request_id: string; msg: string })
      .filter(({ msg }) => /^(YES|NO) /.test(msg));
    assert.ok(sagas.length > 0);
    for (const { request_id, state } of sagas) {
      assert.ok(['done', 'failed', 'cancelled'].includes(String(state)), `a toggle is left ${state}`);
      const own = new Set(answers.filter((answer) => answer.request_id === request_id).map(({ msg }) => msg));
      assert.equal(own.size, 1, `${request_id} was answered ${own.size} times`);
    }
  } finally {
    initializer.close();
    bus.close();
  }
}
