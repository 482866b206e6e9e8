import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuditEntry } from '../../kernel/audit-trail.ts';
import { createAudit } from './audit.ts';
import { tables } from './test-support.ts';

const DAY_MS = 24 * 3600 * 1000;

function entry(at: number): AuditEntry {
  const call = { action: 'Stops', method: 'POST', path: '/api/deployedApps/stopApp/', target: 'web-1', status: 202 };
  return { at, actor: 'anna', ...call, from: '127.0.0.1' };
}

test('entries are kept once each, and read newest first, page by page', async (t) => {
  const { database, clock } = await tables(t);
  const audit = createAudit(database, clock);
  await audit.add([]);
  await audit.add([1, 2, 3].map(entry));
  await audit.add([entry(4)]);
  const whole = await audit.list(10);
  assert.deepEqual(
    whole.map(({ at }) => Date.parse(at)),
    [4, 3, 2, 1],
  );
  const { id, at, ...rest } = whole[0] ?? assert.fail();
  assert.deepEqual({ ...rest, at: 4 }, entry(4));
  assert.deepEqual([typeof id, at], ['number', new Date(4).toISOString()]);
  assert.deepEqual(await audit.list(2, whole[1]?.id), whole.slice(2));
  assert.deepEqual(await audit.list(10, whole[3]?.id), []);
});

test('entries go after 90 days', async (t) => {
  const { database, clock } = await tables(t);
  const audit = createAudit(database, clock);
  await audit.add([entry(clock.now() - 91 * DAY_MS), entry(clock.now() - 89 * DAY_MS), entry(clock.now())]);
  await audit.prune();
  assert.equal((await audit.list(10)).length, 2);
  await clock.advance(2 * DAY_MS);
  await audit.prune();
  assert.equal((await audit.list(10)).length, 1);
});

test('no more than so many entries stay, the newest', async (t) => {
  const { database, clock } = await tables(t);
  const audit = createAudit(database, clock, 100);
  await audit.prune();
  await audit.add(Array.from({ length: 250 }, (_, number) => entry(clock.now() + number)));
  await audit.prune();
  const left = await audit.list(1000);
  assert.equal(left.length, 100);
  assert.equal(Date.parse(left[0]?.at ?? ''), clock.now() + 249);
  await audit.prune();
  assert.equal((await audit.list(1000)).length, 100);
});
