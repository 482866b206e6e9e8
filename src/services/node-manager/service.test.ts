import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { eventually } from '../../../test/support/eventually.ts';
import { systemClock } from '../../adapters/clock/system.ts';
import { createSqliteDatabases } from '../../adapters/database/sqlite.ts';
import { createSqliteBus } from '../../adapters/message-bus/sqlite.ts';
import { type Envelope, formatEnvelope, parseEnvelope, parseNodeAnswer } from '../../domain/message.ts';
import { createTokens } from '../../kernel/auth.ts';
import { createHttpApp } from '../../kernel/http/app.ts';
import { createMachines } from '../../kernel/machines.ts';
import type { ContainerRuntime } from '../../ports/container-runtime.ts';
import type { Host, HostSample } from '../../ports/host.ts';
import { createNodeManager } from './service.ts';
import { migrations, type NodeManagerTables } from './store.ts';

const silent = (): void => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };

/** A machine that answers when it is told to. */
function machine(name: string) {
  let tell: (sample: HostSample) => void = () => undefined;
  const host: Partial<Host> = {
    name,
    address: '127.0.0.1',
    async *probe({ signal }) {
      while (!signal.aborted) {
        yield await new Promise<HostSample>((resolve, reject) => {
          tell = resolve;
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        });
      }
    },
  };
  const runtime: Partial<ContainerRuntime> = { list: async () => [], trouble: () => null };
  return {
    machine: {
      host: host as Host,
      runtime: runtime as ContainerRuntime,
      ports: { first: 20_000, last: 20_999 },
      login: { username: '', keyPath: '', servicePath: '' },
    },
    answer: () =>
      tell({
        at: Date.now(),
        cpuPercent: 10,
        memoryPercent: 10,
        diskPercent: 10,
        cores: 2,
        memoryBytes: 8 * 1024 ** 3,
        replicas: [],
      }),
  };
}

test('a question asked while no machine answers waits for them, and is answered with one', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'avishkar-nodes-'));
  const bus = createSqliteBus({ path: join(directory, 'bus.db'), clock: systemClock });
  const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const http = await createHttpApp({
    title: 'NodeManager',
    version: '0',
    description: '',
    tokens: await createTokens(key, systemClock),
    log,
    recentLogLines: () => [],
    metrics: new Registry(),
  });
  const database = await createSqliteDatabases({ directory }).open<NodeManagerTables>('node-manager', migrations);
  const only = machine('VM1');
  const manager = createNodeManager({
    http,
    database,
    bus,
    clock: systemClock,
    log,
    machines: createMachines([only.machine], () => only.machine),
  });
  const answers: Envelope[] = [];
  const listening = await bus.subscribe({
    topics: ['DeploymentManager'],
    group: 'test',
    handler: async (delivery) => void answers.push(parseEnvelope(delivery.value)),
  });
  try {
    await manager.start();
    // Answers once, so that it is known; then it is silent for longer than a machine may be.
    await eventually(() => {
      only.answer();
      return true;
    });
    const token = (await (await createTokens(key, systemClock)).issue({ kind: 'service', name: 'test' }, 60)).token;
    const state = async (): Promise<string> => {
      const response = await http.inject({ url: '/nodes', headers: { authorization: `Bearer ${token}` } });
      return (response.json() as { nodes: { state: string }[] }).nodes[0]?.state ?? '';
    };
    await eventually(async () => (await state()) === 'suspect');
    const question: Envelope = {
      to_topic: 'NodeManager',
      from_topic: 'DeploymentManager',
      request_id: 'r1',
      msg: 'give best node$patient',
    };
    await bus.publish([{ topic: 'NodeManager', key: 'patient', value: formatEnvelope(question) }]);
    await eventually(async () => (await state()) === 'lost');
    assert.deepEqual(answers, [], 'it was refused while the machine might have come back');
    const beating = setInterval(only.answer, 100);
    try {
      const answer = await eventually((): Envelope | undefined => answers[0], { deadlineMs: 30_000 });
      assert.equal(answer.request_id, 'r1');
      const node = parseNodeAnswer(answer.msg.split('$')[1] ?? '');
      assert.ok('node_name' in node && node.node_name === 'VM1', JSON.stringify(node));
      assert.ok(node.port >= 20_000 && node.port <= 20_499, 'a port of the half for first replicas');
    } finally {
      clearInterval(beating);
    }
  } finally {
    await listening.stop();
    await manager.stop();
    await bus.close();
    await database.close();
    await http.close();
    rmSync(directory, { recursive: true });
  }
});
