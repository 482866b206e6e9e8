import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createVirtualClock, type VirtualClock } from '../../../test/support/virtual-clock.ts';
import { createSqliteDatabases } from '../../adapters/database/sqlite.ts';
import { iso, spanOf } from '../../domain/history.ts';
import type { Database } from '../../ports/database.ts';
import { createNodeHistory, type NodeHistory, type Observed } from './history.ts';
import { KEEP_HISTORY_MS, KEEP_SAMPLES_MS } from './history-store.ts';
import { migrations, type NodeManagerTables } from './store.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const silent = (): void => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };

describe('the history of the machines', () => {
  let directory: string;
  let database: Database<NodeManagerTables>;
  let clock: VirtualClock;
  let history: NodeHistory;
  let observed: Observed[];

  const machine = (name: string, cpuPercent: number, state: Observed['state'] = 'ready'): Observed => ({
    name,
    state,
    lastSeen: 0,
    cpuPercent,
    memoryPercent: cpuPercent / 2,
    diskPercent: 60,
  });

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'avishkar-history-'));
  });

  let opened = 0;

  beforeEach(async () => {
    await database?.close();
    const databases = createSqliteDatabases({ directory, abortAndRerun: () => Math.random() < 0.2 });
    database = await databases.open<NodeManagerTables>(`node-manager-${opened++}`, migrations);
    clock = createVirtualClock();
    observed = [machine('VM1', 10)];
    history = createNodeHistory({ database, clock, log, observe: () => observed });
  });

  after(async () => {
    await database.close();
    rmSync(directory, { recursive: true });
  });

  /** Samples of the past, one every 10 s, as if they had been stored then. */
  async function past(node: string, from: number, to: number): Promise<void> {
    const rows: NodeManagerTables['node_samples'][] = [];
    for (let at = from; at < to; at += 10 * SECOND) {
      rows.push({ node, at, cpu: (at / (10 * SECOND)) % 6, memory: 50, disk: 60 });
    }
    for (let first = 0; first < rows.length; first += 1000) {
      await database.transaction(async (tx) => {
        await tx
          .insertInto('node_samples')
          .values(rows.slice(first, first + 1000))
          .execute();
      });
    }
  }
  const all = (table: 'node_samples' | 'node_minutes') =>
    database.read.selectFrom(table).selectAll().orderBy('at').execute();

  test('a sample of every machine that answers is stored every 10 s', async () => {
    observed = [machine('VM1', 10), machine('VM2', 20, 'draining'), machine('VM3', 99, 'lost')];
    // Taken in a moment ago.
    observed.push({ ...machine('VM4', 0), lastSeen: null });
    history.start();
    await clock.advance(35 * SECOND);
    history.stop();
    await clock.advance(MINUTE);
    const rows = await all('node_samples');
    assert.deepEqual(
      rows.map(({ node, at, cpu, memory, disk }) => [
        node,
        (at - clock.now() + 95 * SECOND) / SECOND,
        cpu,
        memory,
        disk,
      ]),
      [10, 20, 30].flatMap((seconds) => [
        ['VM1', seconds, 10, 5, 60],
        ['VM2', seconds, 20, 10, 60],
      ]),
    );
  });

  test('a sample can be stored at any time; of several in one second the last one counts', async () => {
    for (const cpu of [1, 2, 3]) {
      observed = [machine('VM1', cpu)];
      await history.store();
      await clock.advance(300);
    }
    assert.deepEqual(
      (await all('node_samples')).map(({ cpu }) => cpu),
      [3],
    );
  });

  test('after a day samples become minutes, after a week they are deleted: the tables stay small', async () => {
    const now = clock.now();
    await past('VM1', now - 8 * DAY, now);
    await past('VM2', now - 2 * HOUR, now);
    history.start();
    await clock.advance(11 * MINUTE);
    history.stop();
    const samples = await all('node_samples');
    const minutes = await all('node_minutes');
    // Thinned after 10 minutes: a day of samples and what came in the minute since.
    const thinnedAt = now + 10 * MINUTE;
    assert.ok(samples.every(({ at }) => at >= thinnedAt - KEEP_SAMPLES_MS));
    assert.ok(minutes.every(({ at }) => at >= thinnedAt - KEEP_HISTORY_MS && at % MINUTE === 0));
    const count = (rows: { node: string }[], node: string) => rows.filter((row) => row.node === node).length;
    assert.equal(count(samples, 'VM1'), DAY / (10 * SECOND) + 6);
    assert.equal(count(minutes, 'VM1'), (6 * DAY) / MINUTE);
    assert.equal(count(samples, 'VM2'), (2 * HOUR) / (10 * SECOND), 'what is younger than a day stays as it is');
    // Six samples a minute: 0, 1, 2, 3, 4 and 5.
    assert.ok(minutes.every(({ cpu, memory, disk }) => cpu === 2.5 && memory === 50 && disk === 60));
  });

  test('deleting old ones deletes what is older than 7 days and nothing else', async () => {
    const now = clock.now();
    await past('VM1', now - KEEP_HISTORY_MS - MINUTE, now - KEEP_HISTORY_MS + MINUTE);
    await history.deleteOld();
    const rows = await all('node_samples');
    assert.deepEqual([rows.length, rows[0]?.at], [6, now - KEEP_HISTORY_MS]);
  });

  test('any span is read in at most 500 points, the mean of each step, across samples and minutes', async () => {
    const now = clock.now();
    await past('VM1', now - 3 * DAY, now);
    await past('VM2', now - 3 * DAY, now);
    history.start();
    await clock.advance(10 * MINUTE);
    history.stop();
    for (const [ago, stepMs] of [
      [HOUR, 10 * SECOND],
      [6 * HOUR, MINUTE],
      [DAY, 5 * MINUTE],
      [3 * DAY, 10 * MINUTE],
    ] as const) {
      const span = spanOf({ from: iso(now - ago), to: iso(now) }, clock.now());
      assert.equal(span.stepMs, stepMs);
      const points = await history.read('VM1', span);
      assert.ok(points.length >= ago / stepMs && points.length <= 500, `${points.length}`);
      assert.deepEqual(
        points.slice(0, 3).map(([at]) => at),
        [0, 1, 2].map((n) => span.from + n * stepMs),
      );
      if (stepMs >= MINUTE) assert.deepEqual(points[1]?.slice(1), [2.5, 50, 60]);
      else
        assert.deepEqual(
          points.slice(0, 7).map(([, cpu]) => cpu),
          [0, 1, 2, 3, 4, 5, 0],
        );
    }
    assert.deepEqual(await history.read('VM9', spanOf({}, clock.now())), []);
  });
});
