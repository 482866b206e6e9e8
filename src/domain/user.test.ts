import assert from 'node:assert/strict';
import { test } from 'node:test';
import { passwordFault, passwordSchema, usernameSchema } from './user.ts';

test('a password has 8 to 1000 characters of any kind', () => {
  for (const good of ['12345678', 'x'.repeat(1000), 'пароль-пароль', 'with spaces in it']) {
    assert.ok(passwordSchema.safeParse(good).success, good);
  }
  for (const bad of ['', '1234567', 'x'.repeat(1001), 12345678, null]) {
    assert.ok(!passwordSchema.safeParse(bad).success, String(bad));
  }
});

test('a password is neither blank nor the user name, and the sentence does not repeat it', () => {
  for (const bad of ['        ', '\t\t\t\t\t\t\t\t', 'Alexandra', 'alexandra', ' ALEXANDRA ']) {
    const fault = passwordFault(bad, 'Alexandra');
    assert.ok(fault, bad);
    assert.ok(!fault.toLowerCase().includes('alexandra'));
  }
  assert.equal(passwordFault('alexandra7', 'Alexandra'), null);
});

test('a user name is a letter, then letters, digits, dots, dashes', () => {
  for (const good of ['a', 'Anna.B-c_9', `a${'b'.repeat(62)}`]) assert.ok(usernameSchema.safeParse(good).success, good);
  for (const bad of ['', '9a', 'two words', '../x', 'a\n', 'é', `a${'b'.repeat(63)}`]) {
    assert.ok(!usernameSchema.safeParse(bad).success, bad);
  }
});
