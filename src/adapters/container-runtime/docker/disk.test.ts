import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../../../../test/support/virtual-clock.ts';
import { AvkError } from '../../../domain/errors.ts';
import type { Host } from '../../../ports/host.ts';
import { createDiskGuard, readDf } from './disk.ts';

const df = (line: string): string => `Filesystem 1024-blocks Used Available Capacity Mounted on\n${line}\n`;

/** A machine whose disk has so much free of 1,000,000 KiB; null: df fails. */
function guardOf(free: { kib: number | null }) {
  const clock = createVirtualClock();
  const logged: string[] = [];
  const asked: (readonly string[])[] = [];
  const host = {
    name: 'VM1',
    run: async (argv: readonly string[]) => {
      asked.push(argv);
      if (free.kib === null) return { exitCode: 1, stdout: '', stderr: 'df: not today' };
      const line = `/dev/sda1 1000000 ${1_000_000 - free.kib} ${free.kib} 1% /`;
      return { exitCode: 0, stdout: df(line), stderr: '' };
    },
  } as unknown as Host;
  const folder = async () => '/var/lib/docker';
  const guard = createDiskGuard({ host, clock, folder, log: (message) => logged.push(message) });
  return { guard, clock, logged, asked };
}

test('free space is read from df as it prints it', () => {
  assert.deepEqual(readDf(df('/dev/sda1 1000 900 50 95% /')), { freeBytes: 51_200, freePercent: (50 / 950) * 100 });
  assert.deepEqual(readDf(df('a name with spaces 1000 1000 -20 100% /a b')), { freeBytes: 0, freePercent: 0 });
  assert.equal(readDf('df: no such file'), null);
  assert.equal(readDf(''), null);
});

test('a disk that is nearly full is said to be, once in a while, and a full one refused', async () => {
  const free = { kib: 500_000 as number | null };
  const { guard, clock, logged, asked } = guardOf(free);
  await guard.check();
  await guard.check();
  assert.deepEqual(asked, [['df', '-P', '-k', '/var/lib/docker']]);
  free.kib = 100_000;
  await guard.check();
  assert.deepEqual(logged, []);
  await clock.advance(6_000);
  await guard.check();
  assert.deepEqual(logged, [
    'the disk of VM1 is nearly full: 10 % (98 MiB) is free; below 5 % nothing is started there.',
  ]);
  await clock.advance(60_000);
  await guard.check();
  assert.equal(logged.length, 1);
  await clock.advance(10 * 60_000);
  await guard.check();
  assert.equal(logged.length, 2);
  free.kib = 49_000;
  guard.forget();
  await assert.rejects(guard.check(), (error: AvkError) => {
    assert.ok(error instanceof AvkError);
    assert.equal(error.code, 'AVK_DISK_FULL');
    assert.match(error.message, /^The disk of VM1 is full: 4\.9 % \(48 MiB\)/);
    return true;
  });
});

test('a disk that cannot be looked at keeps nothing from starting', async () => {
  const { guard, logged } = guardOf({ kib: null });
  await guard.check();
  assert.deepEqual(logged, ['the free space of /var/lib/docker on VM1 could not be read: df: not today']);
});
