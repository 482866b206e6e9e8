import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beginSession, createSessions, endSessions } from './sessions.ts';
import { tables } from './test-support.ts';
import { createUsers } from './users.ts';

test('a session goes on until it is ended, expires or its user is gone', async (t) => {
  const { database, clock } = await tables(t);
  const sessions = createSessions(database, clock);
  const users = createUsers(database, clock);
  await users.add('Anna', 'a long password', 'admin');
  await users.add('Ben', 'a long password', 'user');
  const begin = (id: string, userKey: string, ms: number): Promise<void> =>
    database.transaction((tx) => beginSession(tx, { id, userKey, now: clock.now(), expiresAt: clock.now() + ms }));
  await begin('a1', 'anna', 10_000);
  await begin('a2', 'anna', 20_000);
  await begin('a3', 'anna', 20_000);
  await begin('b1', 'ben', 20_000);
  const going = async (): Promise<string[]> => {
    const found: string[] = [];
    for (const id of ['a1', 'a2', 'a3', 'b1']) if (await sessions.check(id)) found.push(id);
    return found;
  };
  assert.deepEqual(await going(), ['a1', 'a2', 'a3', 'b1']);
  assert.deepEqual(await sessions.check('a1'), { name: 'Anna', role: 'admin', expiresAt: clock.now() + 10_000 });
  await clock.advance(10_000);
  assert.deepEqual(await going(), ['a2', 'a3', 'b1']);
  await sessions.prune();
  assert.equal(
    (await database.read.selectFrom('sessions').select('id').execute()).length,
    3,
    'rows of the past are gone',
  );
  await database.transaction((tx) => endSessions(tx, 'anna', 'a3'));
  assert.deepEqual(await going(), ['a3', 'b1']);
  await sessions.end('a3');
  await sessions.end('a3');
  await users.remove('Ben', 'Anna');
  assert.deepEqual(await going(), []);
});
