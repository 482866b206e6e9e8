import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createSqliteDatabases } from '../../adapters/database/sqlite.ts';
import { type VmEntry, vmEntrySchema } from '../../domain/service-entry.ts';
import { mergeRoster, type RosterTables, takeRoster, writeRoster } from './roster.ts';
import { migrations, type NodeManagerTables } from './store.ts';

const vm = (name: string, last: number, more: Partial<VmEntry> = {}): VmEntry =>
  vmEntrySchema.parse({
    vm_name: name,
    vm_ip: `10.0.0.${last}`,
    vm_username: 'avishkar',
    vm_service_path: '/home/avishkar/Services',
    ...more,
  });
const VM1 = vm('VM1', 1);
const VM2 = vm('VM2', 2, { labels: { rack: 'b' } });
const change = (name: string, entry: VmEntry | null, configured: VmEntry | null): RosterTables['roster'] => ({
  name,
  entry: entry && JSON.stringify(entry),
  configured: configured && JSON.stringify(configured),
  at: 1,
});
const addresses = ({ machines }: { machines: readonly VmEntry[] }): string[] =>
  machines.map(({ vm_name, vm_ip }) => `${vm_name} ${vm_ip}`);

test('what was changed last at run time goes as long as the configuration says what it said then', () => {
  const moved = change('VM2', vm('VM2', 12), VM2);
  assert.deepEqual(addresses(mergeRoster([VM1, VM2], [moved], 'VM1')), ['VM1 10.0.0.1', 'VM2 10.0.0.12']);
  const gone = change('VM2', null, VM2);
  assert.deepEqual(addresses(mergeRoster([VM1, VM2], [gone], 'VM1')), ['VM1 10.0.0.1']);
  const come = change('VM3', vm('VM3', 3), null);
  assert.deepEqual(addresses(mergeRoster([VM1], [gone, come], 'VM1')), ['VM1 10.0.0.1', 'VM3 10.0.0.3']);
  // Taken out of the configuration after it had moved, it stays where it is.
  assert.deepEqual(addresses(mergeRoster([VM1], [moved], 'VM1')), ['VM1 10.0.0.1', 'VM2 10.0.0.12']);
});

test('a machine that the configuration has changed since is what the configuration says', () => {
  const edited = vm('VM2', 22);
  for (const row of [change('VM2', vm('VM2', 12), VM2), change('VM2', null, VM2), change('VM2', vm('VM2', 12), null)]) {
    const roster = mergeRoster([VM1, edited], [row], 'VM1');
    assert.deepEqual(addresses(roster), ['VM1 10.0.0.1', 'VM2 10.0.0.22']);
    assert.deepEqual([roster.overtaken, roster.leftOut], [['VM2'], []]);
  }
  // Whoever names it as the balancer wants it.
  assert.deepEqual(addresses(mergeRoster([VM1, VM2], [change('VM2', null, VM2)], 'VM2')), [
    'VM1 10.0.0.1',
    'VM2 10.0.0.2',
  ]);
});

test('a machine taken in at run time that has the address or name of one of the configuration is left out, and both are named', () => {
  const others = [vm('VM9', 2), vm('vm2', 9)];
  for (const other of others) {
    const roster = mergeRoster([VM1, VM2], [change(other.vm_name, other, null)], 'VM1');
    assert.deepEqual(addresses(roster), ['VM1 10.0.0.1', 'VM2 10.0.0.2']);
    const [sentence = '', ...more] = roster.leftOut;
    assert.ok(sentence.includes(`${other.vm_name} (${other.vm_ip})`) && sentence.includes('VM2 (10.0.0.2)'), sentence);
    assert.deepEqual([more, roster.overtaken], [[], []]);
  }
});

test('a machine on record that cannot be read is left out by its name', () => {
  const row = { ...change('VM7', null, null), entry: JSON.stringify({ ...VM2, vm_name: 'VM7', vm_ip: 'vm7.example' }) };
  const roster = mergeRoster([VM1], [row], 'VM1');
  assert.deepEqual(addresses(roster), ['VM1 10.0.0.1']);
  assert.match(roster.leftOut.join(), /^VM7, taken in at run time, is left out/);
});

test('a change that the configuration has overtaken once does not come back with an older configuration', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'avishkar-roster-'));
  const database = await createSqliteDatabases({ directory }).open<NodeManagerTables>('node-manager', migrations);
  const start = async (...configured: VmEntry[]): Promise<string[]> =>
    addresses(await database.transaction((tx) => takeRoster(tx, configured, 'VM1')));
  const write = (entry: VmEntry | null, configured: VmEntry | null, at: number): Promise<void> =>
    database.transaction((tx) => writeRoster(tx, 'VM2', entry, configured, at));
  try {
    await write(null, VM2, 1);
    assert.deepEqual(await start(VM1, VM2), ['VM1 10.0.0.1']);
    await write(vm('VM2', 12), VM2, 2);
    assert.deepEqual(await start(VM1, VM2), ['VM1 10.0.0.1', 'VM2 10.0.0.12']);
    assert.deepEqual(await start(VM1, VM2), ['VM1 10.0.0.1', 'VM2 10.0.0.12']);
    assert.deepEqual(await start(VM1, vm('VM2', 22)), ['VM1 10.0.0.1', 'VM2 10.0.0.22']);
    assert.deepEqual(await start(VM1, VM2), ['VM1 10.0.0.1', 'VM2 10.0.0.2']);
  } finally {
    await database.close();
    rmSync(directory, { recursive: true });
  }
});
