import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createVirtualClock } from '../../../test/support/virtual-clock.ts';
import { createSqliteDatabases } from '../../adapters/database/sqlite.ts';
import type { ContainerInfo } from '../../ports/container-runtime.ts';
import type { Machines } from '../../ports/machines.ts';
import { type LoadBalancerTables, migrations } from './store.ts';
import { createStrays } from './strays.ts';

test('a container of ours that nothing is known of is left alone and told once, a retired one is removed', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'avishkar-strays-'));
  const databases = createSqliteDatabases({ directory, abortAndRerun: () => false });
  const database = await databases.open<LoadBalancerTables>('load-balancer', migrations);
  t.after(async () => {
    await database.close();
    rmSync(directory, { recursive: true });
  });
  const clock = createVirtualClock();
  const on = (...ids: string[]): ContainerInfo[] =>
    ids.map((id) => ({ id, name: `${id}_instance_1`, containerId: `c-${id}` }) as ContainerInfo);
  let present: ContainerInfo[] | null = on('restored', 'retired');
  const removed: string[] = [];
  const runtime = {
    async list() {
      if (!present) throw new Error('VM1 does not answer');
      return present;
    },
    remove: async (id: string) => void removed.push(id),
  };
  const machines = { list: () => [{ host: { name: 'VM1' }, runtime }] } as unknown as Machines;
  const warned: object[] = [];
  const silent = (): void => undefined;
  const warn = (fields: object): void => void warned.push(fields);
  const look = createStrays({ database, machines, clock, log: { debug: silent, info: silent, warn, error: silent } });
  await database.transaction(async (tx) => {
    await tx.insertInto('retired').values({ id: 'retired', node: 'VM1', at: clock.now() }).execute();
  });

  await look();
  assert.deepEqual(removed, ['retired']);
  assert.deepEqual(warned.splice(0), [{ replica: 'retired', node: 'VM1' }]);
  // It may be of a deployment under way, which tells of it when it is healthy.
  present = on('restored', 'deployed');
  await clock.advance(60_000);
  await look();
  present = on('restored');
  await clock.advance(4 * 60_000);
  await look();
  const told = { node: 'VM1', container: 'restored_instance_1', containerId: 'c-restored', replica: 'restored' };
  assert.deepEqual(warned.splice(0), [told]);

  for (const there of [on('restored'), null, on('restored', 'deployed')]) {
    present = there;
    await clock.advance(10 * 60_000);
    await look();
  }
  assert.deepEqual(warned, [], 'it was told once, and the other one is there only since now');
  assert.deepEqual(removed, ['retired']);
});
