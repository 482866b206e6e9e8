import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Registry } from 'prom-client';
import { eventually } from '../../../test/support/eventually.ts';
import { systemClock } from '../../adapters/clock/system.ts';
import { createSqliteDatabases } from '../../adapters/database/sqlite.ts';
import { createSqliteBus } from '../../adapters/message-bus/sqlite.ts';
import { systemRandom } from '../../adapters/random/system.ts';
import { createSqliteRegistry } from '../../adapters/service-registry/sqlite.ts';
import { createInProcessServices, type Program } from '../../adapters/service-runtime/in-process.ts';
import { AvkError } from '../../domain/errors.ts';
import { type Envelope, formatEnvelope, parseEnvelope } from '../../domain/message.ts';
import { entryOf } from '../../domain/service-entry.ts';
import { createTokens } from '../../kernel/auth.ts';
import { createHttpApp } from '../../kernel/http/app.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import { createPlatformInitializer } from './service.ts';
import { type InitializerTables, migrations, readPlatform, readServices } from './store.ts';

const silent = (): void => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };
const NAMES = ['load_balancer', 'node_manager', 'scheduler'];

/** A platform initializer with engines of its own, over services that do nothing but be there. */
async function lab() {
  const directory = mkdtempSync(join(tmpdir(), 'avishkar-initializer-'));
  const bus = createSqliteBus({ path: join(directory, 'bus.db'), clock: systemClock });
  const registry = createSqliteRegistry({
    path: join(directory, 'registry.db'),
    clock: systemClock,
    random: systemRandom,
  });
  const alive = new Set<string>();
  /** Why a service does not start. */
  const broken = new Map<string, string>();
  const calls: string[] = [];
  const program = (name: string) => (): Program => ({
    async start() {
      const reason = broken.get(name);
      if (reason) throw new AvkError('AVK_PORT_IN_USE', reason);
      alive.add(name);
      return { ip: '127.0.0.1', port: 18_000 + NAMES.indexOf(name) };
    },
    async stop() {
      alive.delete(name);
    },
    alive: () => alive.has(name),
  });
  const client: Pick<ServiceClient, 'call'> = {
    async call(service, _method, path, options) {
      if (path === '/health') return 'Ok';
      const body = options?.body as { appName?: string; publicPort?: number } | undefined;
      calls.push(`${service} ${path} ${body?.appName ?? ''}`.trim());
      return `10.0.0.1:${body?.publicPort}`;
    },
  };
  const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const http = await createHttpApp({
    title: 'Platform Initializer',
    version: '0',
    description: '',
    tokens: await createTokens(key, systemClock),
    log,
    recentLogLines: () => [],
    metrics: new Registry(),
  });
  const databases = createSqliteDatabases({ directory, abortAndRerun: () => Math.random() < 0.2 });
  const database = await databases.open<InitializerTables>('platform-initializer', migrations);
  const initializer = createPlatformInitializer({
    http,
    database,
    bus,
    client: client as ServiceClient,
    registry,
    runtime: createInProcessServices(Object.fromEntries(NAMES.map((name) => [name, program(name)])), systemRandom),
    clock: systemClock,
    random: systemRandom,
    log,
    inventory: async () => ({
      services: NAMES.map((name, index) => entryOf(name.replaceAll('_', ''), name, 18_000 + index)),
      machines: ['VM1', 'VM2'].map((vm_name, index) => ({
        vm_name,
        vm_ip: `10.0.0.${index + 1}`,
        vm_username: 'azureuser',
        vm_key_path: '',
        vm_service_path: '/home/azureuser/Services',
      })),
    }),
  });
  const told: Envelope[] = [];
  const listening = await bus.subscribe({
    topics: ['first_topic'],
    group: 'test',
    handler: async ({ value }) => {
      told.push(parseEnvelope(value));
    },
  });
  await initializer.start();

  async function ask(msg: string, requestId: string = randomUUID()): Promise<Envelope> {
    const envelope: Envelope = {
      to_topic: 'Bootstrapper',
      from_topic: 'ApplicationManager',
      request_id: requestId,
      msg,
    };
    await bus.publish([{ topic: 'Bootstrapper', key: requestId, value: formatEnvelope(envelope) }]);
    return eventually(() => told.find((answer) => answer.request_id === requestId));
  }
  return {
    alive,
    broken,
    calls,
    told,
    bus,
    ask,
    initializer,
    registry,
    platform: () => readPlatform(database.read),
    services: () => readServices(database.read),
    async close() {
      await initializer.stop();
      await http.close();
      await listening.stop();
      await database.close();
      await bus.close();
      await registry.close();
      rmSync(directory, { recursive: true });
    },
  };
}

async function inLab(work: (own: Awaited<ReturnType<typeof lab>>) => Promise<void>): Promise<void> {
  const own = await lab();
  try {
    await work(own);
  } finally {
    await own.close();
  }
}

describe('platform initializer', () => {
  test('start platform deploys every service round robin, registers each, and answers YES under the same id', () =>
    inLab(async ({ ask, alive, calls, services, registry, platform }) => {
      const answer = await ask('start platform');
      assert.equal(answer.msg, 'YES start platform$Success');
      assert.deepEqual([...alive].sort(), [...NAMES].sort());
      assert.deepEqual(
        calls,
        NAMES.map((name) => `load-balancer /registerApp ${name.replaceAll('_', '')}`),
      );
      const rows = await services();
      assert.deepEqual(Object.fromEntries(rows.map((row) => [row.name, row.node])), {
        load_balancer: 'VM1',
        node_manager: 'VM2',
        scheduler: 'VM1',
      });
      const entries = await registry.list('service');
      assert.deepEqual(entries.map(({ name }) => name).sort(), ['load-balancer', 'node-manager', 'scheduler']);
      assert.deepEqual(entries.find(({ name }) => name === 'scheduler')?.address, { ip: '10.0.0.1', port: 18_002 });
      assert.equal((await platform()).state, 'running');
      const details = (answer.data?.services as { service_name: string; node: string }[]) ?? [];
      assert.deepEqual(details.map(({ service_name }) => service_name).sort(), [...NAMES].sort());
    }));

  test('stop platform deregisters and stops them, the load balancer last, and answers YES', () =>
    inLab(async ({ ask, alive, calls, registry, platform }) => {
      await ask('start platform');
      calls.length = 0;
      assert.equal((await ask('stop platform')).msg, 'YES stop platform$Success');
      assert.deepEqual([...alive], []);
      assert.deepEqual(calls, [
        'load-balancer /deregisterApp?appName=scheduler',
        'load-balancer /deregisterApp?appName=nodemanager',
        'load-balancer /deregisterApp?appName=loadbalancer',
      ]);
      assert.deepEqual(await registry.list('service'), []);
      assert.equal((await platform()).state, 'stopped');
    }));

  test('a message that was seen before has no effect', () =>
    inLab(async ({ ask, alive, told }) => {
      const id = randomUUID();
      await ask('stop platform', id);
      await ask('start platform');
      await ask('stop platform', id);
      await ask('start platform');
      assert.equal(alive.size, NAMES.length);
      assert.equal(told.filter(({ request_id }) => request_id === id).length, 1);
    }));

  test('a service that does not start is named in the NO, the others run, and it is tried again until it does', () =>
    inLab(async ({ ask, alive, broken, platform, services }) => {
      broken.set('scheduler', 'port 18002, which scheduler needs, is in use');
      const answer = await ask('start platform');
      assert.equal(answer.msg, 'NO start platform$port 18002, which scheduler needs, is in use');
      assert.deepEqual([...alive].sort(), ['load_balancer', 'node_manager']);
      assert.deepEqual(
        [(await platform()).state, (await platform()).reason],
        ['degraded', 'not running: scheduler (port 18002, which scheduler needs, is in use)'],
      );
      broken.clear();
      await eventually(async () => (await platform()).state === 'running');
      assert.equal((await services()).find(({ name }) => name === 'scheduler')?.restarts, 0);
    }));

  test('a service that dies is started again at once, then with back-off, and the reason is kept', () =>
    inLab(async ({ ask, alive, broken, services, platform }) => {
      await ask('start platform');
      broken.set('node_manager', 'no memory');
      alive.delete('node_manager');
      const row = await eventually(async () => {
        const found = (await services()).find(({ name }) => name === 'node_manager');
        return found && found.failures >= 2 ? found : null;
      });
      assert.equal(row.reason, 'no memory');
      assert.ok(row.retry_at > row.since);
      assert.equal((await platform()).state, 'degraded');
      broken.clear();
      await eventually(async () => (await platform()).state === 'running');
      const mended = (await services()).find(({ name }) => name === 'node_manager');
      assert.deepEqual([mended?.restarts, mended?.reason, mended?.state], [1, null, 'running']);
    }));

  test('what was asked last wins', () =>
    inLab(async ({ initializer, bus, told, platform, alive }) => {
      for (const msg of ['start platform', 'stop platform', 'start platform', 'stop platform']) {
        const envelope: Envelope = {
          to_topic: 'Bootstrapper',
          from_topic: 'ApplicationManager',
          request_id: randomUUID(),
          msg,
        };
        await bus.publish([{ topic: 'Bootstrapper', key: 'platform', value: formatEnvelope(envelope) }]);
      }
      await eventually(() => told.filter(({ msg }) => /^(YES|NO) /.test(msg)).length === 4);
      assert.deepEqual([(await platform()).state, alive.size], ['stopped', 0]);
      await initializer.up();
      assert.equal((await platform()).state, 'running');
    }));
});
