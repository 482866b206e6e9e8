import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ROLES } from '../../kernel/auth.ts';
import { tables } from './test-support.ts';
import { createUsers } from './users.ts';

const NAMES = ['anna', 'ben', 'carl'];

test('whatever administrators do to one another, one of them is left', async (t) => {
  const { database, clock } = await tables(t);
  const users = createUsers(database, clock);
  const action = fc.record({
    what: fc.constantFrom('change' as const, 'remove' as const),
    name: fc.constantFrom(...NAMES),
    by: fc.constantFrom(...NAMES),
    role: fc.constantFrom(...ROLES),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 12 }), async (actions) => {
      await database.transaction(async (tx) => {
        await tx.deleteFrom('users').execute();
        for (const name of NAMES) {
          const row = {
            name_key: name,
            name,
            role: 'admin' as const,
            password: '',
            created_at: 0,
            last_login_at: null,
          };
          await tx.insertInto('users').values(row).execute();
        }
      });
      const done = actions.map(({ what, name, by, role }) =>
        what === 'remove' ? users.remove(name, by) : users.change(name, { role }, by),
      );
      for (const [index, result] of (await Promise.allSettled(done)).entries()) {
        const { what, name, by } = actions[index] ?? assert.fail();
        if (what === 'remove' && name === by) assert.equal(result.status, 'rejected', 'nobody deletes themselves');
        if (result.status === 'rejected') assert.match(String(result.reason.code), /^AVK_(CONFLICT|NOT_FOUND)$/);
      }
      assert.ok((await users.list()).some(({ role }) => role === 'admin'));
    }),
    { numRuns: 60 },
  );
});
