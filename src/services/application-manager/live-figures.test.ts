import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createVirtualClock, type VirtualClock } from '../../../test/support/virtual-clock.ts';
import { createSqliteDatabases } from '../../adapters/database/sqlite.ts';
import { AvkError } from '../../domain/errors.ts';
import type { Principal } from '../../kernel/auth.ts';
import type { ServerSentEvent } from '../../kernel/http/stream.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Database } from '../../ports/database.ts';
import { createLiveFigures, type LiveFigures } from './live-figures.ts';
import { type ApplicationManagerTables, migrations } from './store.ts';

const ALICE: Principal = { kind: 'user', name: 'Alice', role: 'user' };
const ADMIN: Principal = { kind: 'user', name: 'admin', role: 'admin' };
const NODES = { nodes: [{ name: 'VM1', state: 'ready' }] };

describe('live figures', () => {
  let directory: string;
  let database: Database<ApplicationManagerTables>;
  let clock: VirtualClock;
  let figures: LiveFigures;
  let asked: string[];
  let silent: Set<string>;
  let logged: string[];

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'avishkar-live-'));
    database = await createSqliteDatabases({ directory }).open('application-manager', migrations);
    const instance = (name: string, created_by: string, state: 'running' | 'stopped') => ({
      name_key: name,
      name,
      app_name: 'web',
      version: '1',
      state,
      ending: null,
      generation: 1,
      highest_generation: 1,
      spec: '{}',
      config: '{}',
      request_id: 'r',
      endpoint: null,
      node: null,
      reason: null,
      last_log_lines: null,
      created_at: 0,
      created_by,
      updated_at: 0,
    });
    await database.transaction(async (tx) => {
      await tx
        .insertInto('instances')
        .values([
          instance('hers', 'Alice', 'running'),
          instance('his', 'Bob', 'running'),
          instance('ended', 'Alice', 'stopped'),
        ])
        .execute();
    });
  });

  beforeEach(() => {
    clock = createVirtualClock();
    asked = [];
    silent = new Set();
    logged = [];
    const replica = { id: 'r1', state: 'healthy', cpuPercent: 1, memoryPercent: null, node: 'VM1', restarts: 0 };
    const client: ServiceClient = {
      async call(service, _method, path) {
        asked.push(`${service} ${path}`);
        if (silent.has(service)) throw new AvkError('AVK_SERVICE_UNAVAILABLE', `${service} is not running`);
        if (service === 'node-manager') return NODES;
        return {
          instances: ['ended', 'hers', 'his', 'LoadBalancer'].map((name) => ({
            name,
            replicas: [{ ...replica, name: `${name}_instance_1` }],
          })),
        };
      },
      values: () => assert.fail('nothing is followed'),
    };
    const note = (fields: object, sentence: string): void => {
      logged.push(`${sentence} ${JSON.stringify(fields)}`);
    };
    const log = { debug: note, info: note, warn: note, error: note };
    figures = createLiveFigures({ client, database, clock, log });
  });

  after(async () => {
    await database.close();
    rmSync(directory, { recursive: true });
  });

  function follower(principal: Principal) {
    const events: ServerSentEvent[] = [];
    const leave = figures.follow(principal, (event) => events.push(event));
    return { events, leave };
  }
  const usageOf = (instanceName: string) => ({
    instanceName,
    replicas: [{ name: `${instanceName}_instance_1`, id: 'r1', state: 'healthy', cpuPercent: 1, memoryPercent: null }],
  });

  test('nobody is asked while nobody listens', async () => {
    await clock.advance(10_000);
    assert.deepEqual(asked, []);
    const { leave } = follower(ALICE);
    await clock.advance(2500);
    leave();
    const before = asked.length;
    assert.equal(before, 6, 'at once, after one second and after two, of both');
    await clock.advance(10_000);
    assert.equal(asked.length, before);
    assert.equal(clock.pending(), 0);
  });

  test('many listeners are one question; each sees the machines and its own instances', async () => {
    const alice = follower(ALICE);
    const admin = follower(ADMIN);
    await clock.advance(0);
    assert.deepEqual(asked, ['node-manager /nodes', 'load-balancer /instances']);
    assert.deepEqual(alice.events, [
      { event: 'nodes', data: NODES },
      { event: 'usage', data: { instances: [usageOf('hers')] } },
    ]);
    assert.deepEqual(admin.events, [
      { event: 'nodes', data: NODES },
      { event: 'usage', data: { instances: [usageOf('hers'), usageOf('his')] } },
    ]);
    alice.leave();
    await clock.advance(1000);
    assert.deepEqual([alice.events.length, admin.events.length], [2, 4], 'the others go on');
    admin.leave();
    const again = follower(ALICE);
    await clock.advance(0);
    assert.equal(again.events.length, 2);
    again.leave();
  });

  test('of a service that does not answer nothing is sent, and that is logged once', async () => {
    silent.add('load-balancer');
    const alice = follower(ALICE);
    await clock.advance(5000);
    assert.deepEqual(new Set(alice.events.map(({ event }) => event)), new Set(['nodes']));
    assert.deepEqual(logged, [
      'no live figures for now {"service":"load-balancer","reason":"load-balancer is not running"}',
    ]);
    silent.clear();
    await clock.advance(1000);
    assert.deepEqual(alice.events.at(-1)?.event, 'usage');
    assert.deepEqual(logged.slice(1), ['live figures come again {"service":"load-balancer"}']);
    alice.leave();
  });
});
