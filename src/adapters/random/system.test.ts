import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom } from './system.ts';

test('gives version 4 UUIDs, bytes and fractions, each time others', () => {
  const many = <T>(make: () => T): T[] => Array.from({ length: 200 }, make);
  const uuids = many(() => systemRandom.uuid());
  assert.equal(new Set(uuids).size, 200);
  for (const uuid of uuids) assert.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(systemRandom.bytes(32).length, 32);
  assert.equal(new Set(many(() => Buffer.from(systemRandom.bytes(16)).toString('hex'))).size, 200);
  assert.ok(many(() => systemRandom.float()).every((value) => value >= 0 && value < 1));
});
