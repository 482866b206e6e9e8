import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { supersededVersions } from './retention.ts';

const versions = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { maxLength: 30 });

test('of the versions of an app the newest stay, and all that are needed; every other one goes', () => {
  fc.assert(
    fc.property(versions, fc.integer({ min: 1, max: 12 }), fc.infiniteStream(fc.boolean()), (all, keep, coin) => {
      const needed = new Set(all.filter(() => coin.next().value));
      const gone = new Set(supersededVersions(all, keep, needed));
      all.forEach((version, age) => {
        assert.equal(gone.has(version), age >= keep && !needed.has(version), `${version} of age ${age}`);
      });
      // Nobody uploads what is then gone.
      assert.ok(all.length === 0 || !gone.has(all[0] ?? ''));
    }),
  );
});
