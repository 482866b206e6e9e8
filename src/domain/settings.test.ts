import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AvkError } from './errors.ts';
import { manifestSchema } from './manifest.ts';
import { resolveSettings } from './settings.ts';

const manifest = manifestSchema.parse({
  name: 'web',
  version: '1',
  runtime: 'node',
  entry: 'main.js',
  config: [
    { key: 'THRESHOLD', type: 'number', default: 26, min: 10, max: 45 },
    { key: 'ROOM', required: true },
    { key: 'LOUD', type: 'boolean' },
    { key: 'MODE', type: 'enum', values: ['eco', 'fast'] },
    { key: 'KEY', secret: true },
  ],
});

function refused(given: Record<string, unknown>): Record<string, string> {
  try {
    resolveSettings(manifest, given);
  } catch (error) {
    assert.ok(error instanceof AvkError);
    assert.equal(error.code, 'AVK_UNACCEPTABLE');
    assert.match(error.message, new RegExp(`^${error.errors[0]?.path}: `));
    return Object.fromEntries(error.errors.map(({ path, message }) => [path, message]));
  }
  assert.fail('accepted');
}

describe('settings', () => {
  test('defaults fill in, secrets are apart, what has no value is left out', () => {
    assert.deepEqual(resolveSettings(manifest, { ROOM: 'Lab', KEY: 's3cret' }), {
      values: { THRESHOLD: 26, ROOM: 'Lab' },
      secrets: { KEY: 's3cret' },
    });
    assert.deepEqual(resolveSettings(manifest, { ROOM: '', THRESHOLD: 10, LOUD: false, MODE: 'eco' }).values, {
      THRESHOLD: 10,
      ROOM: '',
      LOUD: false,
      MODE: 'eco',
    });
  });

  test('each wrong one is named with what was expected', () => {
    assert.deepEqual(refused({ THRESHOLD: '26', LOUD: 'yes', MODE: 'slow', WARM: 1 }), {
      'config.WARM': 'unknown setting; expected one of: THRESHOLD, ROOM, LOUD, MODE, KEY',
      'config.THRESHOLD': 'expected a number',
      'config.ROOM': 'expected a value, as the app needs it',
      'config.LOUD': 'expected true or false',
      'config.MODE': 'expected one of eco, fast',
    });
    assert.deepEqual(refused({ ROOM: 'x', THRESHOLD: 9.9 }), { 'config.THRESHOLD': 'expected at least 10' });
    assert.deepEqual(refused({ ROOM: 'x', THRESHOLD: 46 }), { 'config.THRESHOLD': 'expected at most 45' });
    assert.deepEqual(refused({ ROOM: 'a\0b' }), { 'config.ROOM': 'expected no NUL character' });
    assert.deepEqual(refused({ ROOM: null }), { 'config.ROOM': 'expected a value, as the app needs it' });
  });

  test("a secret's value is never repeated", () => {
    try {
      resolveSettings(manifest, { ROOM: 'x', KEY: 12_345_678 });
      assert.fail('accepted');
    } catch (error) {
      assert.ok(error instanceof AvkError);
      assert.equal(JSON.stringify([error.message, error.errors]).includes('12345678'), false);
    }
  });

  test('names that every object has are no settings', () => {
    assert.deepEqual(Object.keys(refused({ ROOM: 'x', constructor: 'y', toString: 'z' })), [
      'config.constructor',
      'config.toString',
    ]);
    assert.deepEqual(
      resolveSettings(manifest, Object.create({ ROOM: 'inherited' }, { ROOM: { value: 'own', enumerable: true } }))
        .values.ROOM,
      'own',
    );
  });
});
