import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createVirtualClock, type VirtualClock } from '../../../test/support/virtual-clock.ts';
import { createSqliteDatabases } from '../../adapters/database/sqlite.ts';
import { iso, spanOf } from '../../domain/history.ts';
import type { NodeState } from '../../domain/node.ts';
import type { Database } from '../../ports/database.ts';
import type { FleetView } from './fleet-follower.ts';
import { type LoadBalancerTables, migrations } from './store.ts';
import { createUsageHistory, type UsageHistory } from './usage-history.ts';
import { KEEP_USAGE_MS } from './usage-store.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const silent = (): void => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };

describe('what the replicas used', () => {
  let directory: string;
  let database: Database<LoadBalancerTables>;
  let clock: VirtualClock;
  let usage: UsageHistory;
  let tell: (view: FleetView) => void;
  let transactions: number;
  let opened = 0;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'avishkar-usage-'));
  });

  beforeEach(async () => {
    await database?.close();
    database = await createSqliteDatabases({ directory, abortAndRerun: () => Math.random() < 0.2 }).open(
      `load-balancer-${opened++}`,
      migrations,
    );
    clock = createVirtualClock();
    transactions = 0;
    const counted: Database<LoadBalancerTables> = {
      epoch: database.epoch,
      read: database.read,
      close: () => database.close(),
      transaction: (fn) => {
        transactions += 1;
        return database.transaction(fn);
      },
    };
    usage = createUsageHistory({
      database: counted,
      clock,
      log,
      fleet: {
        onView(listener) {
          tell = listener;
          return () => {
            tell = silent;
          };
        },
      },
    });
    usage.start();
  });

  after(async () => {
    await database.close();
    rmSync(directory, { recursive: true });
  });

  async function addReplica(app: string, number: number, id = `${app}-${number}`): Promise<void> {
    await database.transaction(async (tx) => {
      await tx
        .insertInto('replicas')
        .values({
          id,
          app,
          generation: 1,
          last_lines: null,
          number,
          node: 'VM1',
          host_port: 20_000 + Math.floor(Math.random() * 9000),
          state: 'healthy',
          container_id: 'c',
          ip: null,
          port: null,
          failures: 0,
          restarts: 0,
          retry_at: 0,
          since: 0,
          reason: null,
          placement: '',
        })
        .execute();
    });
  }
  async function removeReplica(id: string): Promise<void> {
    await database.transaction(async (tx) => {
      await tx.deleteFrom('replicas').where('id', '=', id).execute();
    });
  }

  /** A view of one machine with replicas that use that much. */
  function view(used: Record<string, number>, state: NodeState = 'ready'): FleetView {
    const node: FleetView['nodes'][number] = {
      name: 'VM1',
      address: '127.0.0.1',
      state,
      cpuPercent: 0,
      memoryPercent: 0,
      diskPercent: 0,
      cores: 2,
      memoryBytes: 1,
      replicas: 0,
      promised: { cpus: 0, memoryMb: 0 },
    };
    const replicas = Object.entries(used).map(([id, cpuPercent]) => ({
      id,
      node: 'VM1',
      cpuPercent,
      memoryPercent: cpuPercent * 2,
      memoryBytes: 1,
    }));
    return { at: clock.now(), nodes: [node], replicas };
  }
  const lastHour = (app: string, since = 0) => usage.read(app, spanOf({}, clock.now()), since);

  test('the mean of 10 s of each replica is recorded, of all replicas in one transaction', async () => {
    const begin = clock.now();
    await addReplica('web', 1);
    await addReplica('web', 2);
    await addReplica('other', 1);
    for (const [one, two] of [
      [10, 40],
      [20, 50],
      [60, 60],
    ] as const) {
      await clock.advance(2 * SECOND);
      tell(view({ 'web-1': one, 'web-2': two, 'other-1': 5, stranger: 99 }));
    }
    await clock.advance(4 * SECOND);
    assert.equal(transactions, 1);
    assert.deepEqual(await lastHour('web'), [
      { replica: 'web_instance_1', points: [[begin, 30, 60]] },
      { replica: 'web_instance_2', points: [[begin, 50, 100]] },
    ]);
    assert.deepEqual(await lastHour('other'), [{ replica: 'other_instance_1', points: [[begin, 5, 10]] }]);
    await clock.advance(30 * SECOND);
    assert.equal(transactions, 1, 'nothing came, nothing is written');
  });

  test('what a lost machine repeats is not recorded', async () => {
    await addReplica('web', 1);
    tell(view({ 'web-1': 10 }, 'lost'));
    await clock.advance(10 * SECOND);
    assert.deepEqual(await lastHour('web'), []);
  });

  test('a replica that is gone keeps its curve and its name, and its successor goes on with it', async () => {
    const begin = clock.now();
    await addReplica('web', 1);
    tell(view({ 'web-1': 10 }));
    await clock.advance(10 * SECOND);
    tell(view({ 'web-1': 20 }));
    await removeReplica('web-1');
    await clock.advance(10 * SECOND);
    const gone = [
      [begin, 10, 20],
      [begin + 10 * SECOND, 20, 40],
    ];
    assert.deepEqual(await lastHour('web'), [{ replica: 'web_instance_1', points: gone }]);
    await addReplica('web', 1, 'its-successor');
    tell(view({ 'its-successor': 30 }));
    await clock.advance(10 * SECOND);
    assert.deepEqual(await lastHour('web'), [
      { replica: 'web_instance_1', points: [...gone, [begin + 20 * SECOND, 30, 60]] },
    ]);
    const since = begin + 15 * SECOND;
    assert.deepEqual(
      await lastHour('web', since),
      [{ replica: 'web_instance_1', points: [[begin + 20 * SECOND, 30, 60]] }],
      'nothing of the life before',
    );
  });

  test('after a day samples and names are deleted', async () => {
    await addReplica('web', 1);
    await addReplica('old', 1);
    tell(view({ 'web-1': 1, 'old-1': 1 }));
    await clock.advance(10 * SECOND);
    for (let minute = 0; minute < 25 * 60; minute += 30) {
      tell(view({ 'web-1': 1 }));
      await clock.advance(30 * MINUTE);
    }
    const samples = await database.read.selectFrom('replica_samples').selectAll().execute();
    assert.ok(samples.length > 40 && samples.length <= 50, `${samples.length}`);
    assert.ok(samples.every(({ at }) => at >= clock.now() - KEEP_USAGE_MS - 10 * MINUTE));
    const series = await database.read.selectFrom('replica_series').select('replica').execute();
    assert.deepEqual(
      series.map(({ replica }) => replica),
      ['web_instance_1'],
    );
  });

  test('a day is read in at most 500 points per replica, replicas in the order of their numbers', async () => {
    for (const number of [10, 9, 1]) await addReplica('web', number);
    const begin = clock.now();
    for (let n = 0; n < 400; n += 1) {
      tell(view({ 'web-1': n % 2, 'web-9': 1, 'web-10': 1 }));
      await clock.advance(10 * SECOND);
    }
    const span = spanOf({ from: iso(clock.now() - 24 * HOUR) }, clock.now());
    const series = await usage.read('web', span, 0);
    assert.deepEqual(
      series.map(({ replica }) => replica),
      ['web_instance_1', 'web_instance_9', 'web_instance_10'],
    );
    const [first] = series;
    assert.ok(first && first.points.length >= 13 && first.points.length <= 15, `${first?.points.length}`);
    assert.deepEqual(first.points[1], [begin + 5 * MINUTE, 0.5, 1]);
    assert.deepEqual((await lastHour('web'))[0]?.points.length, 360);
  });

  test('once stopped it records nothing', async () => {
    await addReplica('web', 1);
    tell(view({ 'web-1': 1 }));
    usage.stop();
    await clock.advance(MINUTE);
    assert.deepEqual(await lastHour('web'), []);
    assert.equal(clock.pending(), 0);
  });
});
