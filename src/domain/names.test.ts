import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isName, isReserved, nameKey, nameSchema, replicaName } from './names.ts';

describe('names', () => {
  for (const name of ['a', 'Z9', 'room-comfort_1', 'a'.repeat(63)]) {
    test(`${name.slice(0, 20)} is one`, () => {
      assert.ok(isName(name));
      assert.equal(nameSchema.parse(name), name);
    });
  }

  for (const name of ['', '1a', '-a', '_a', 'a b', 'a/b', 'a.b', 'ä', 'a\n', 'a$b', 'a'.repeat(64), '../a']) {
    test(`${JSON.stringify(name.slice(0, 20))} is none`, () => {
      assert.equal(isName(name), false);
      assert.match(nameSchema.safeParse(name).error?.issues[0]?.message ?? '', /expected a letter/);
    });
  }

  for (const name of ['deployApp', 'deployapp', 'GETAPPS', 'scale', 'default', 'loadbalancer']) {
    test(`${name} is reserved, whatever its case`, () => {
      assert.ok(isReserved(name));
      assert.equal(isName(name), false);
      assert.match(nameSchema.safeParse(name).error?.issues[0]?.message ?? '', /reserved/);
    });
  }

  test('case does not tell names apart; replicas are numbered', () => {
    assert.equal(nameKey('Room-Comfort'), nameKey('room-comfort'));
    assert.equal(replicaName('web', 2), 'web_instance_2');
  });
});
