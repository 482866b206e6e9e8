import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AvkError } from './errors.ts';
import { manifestSchema } from './manifest.ts';
import { keepSettings, resolveSettings } from './settings.ts';

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

describe('settings kept for another version', () => {
  const of = (config: object[]) => manifestSchema.parse({ ...manifest, config });
  const had = { values: { ROOM: 'Lab', LIMIT: '26', LOUD: true }, secrets: { KEY: 'k', PIN: '4711' } };

  test('what the version knows stays, with its own types; the rest is named', () => {
    const next = of([
      { key: 'ROOM' },
      { key: 'LIMIT', type: 'number' },
      { key: 'LOUD' },
      { key: 'PIN', type: 'number', secret: true },
      { key: 'NEW', default: 'n' },
    ]);
    assert.deepEqual(keepSettings(next, had, {}), {
      settings: { values: { ROOM: 'Lab', LIMIT: 26, LOUD: 'true', NEW: 'n' }, secrets: { PIN: '4711' } },
      dropped: ['KEY'],
    });
  });

  test('a value may become a secret, but no secret a value that is shown', () => {
    const next = of([{ key: 'KEY' }, { key: 'ROOM', secret: true }]);
    const { settings, dropped } = keepSettings(next, had, {});
    assert.deepEqual(settings, { values: {}, secrets: { ROOM: 'Lab' } });
    assert.deepEqual(dropped, ['LIMIT', 'LOUD', 'KEY', 'PIN']);
    assert.deepEqual(keepSettings(next, had, { KEY: 'shown' }).settings.values, { KEY: 'shown' });
  });

  test('what is given counts more than what was; null gives it up', () => {
    const next = of([{ key: 'ROOM' }, { key: 'LIMIT', type: 'number' }]);
    assert.deepEqual(keepSettings(next, had, { ROOM: 'Attic', LIMIT: null }).settings.values, { ROOM: 'Attic' });
  });

  test('what is missing, or was kept and does not fit, is refused by name', () => {
    const next = of([
      { key: 'ROOM', type: 'number' },
      { key: 'FLOOR', required: true },
    ]);
    assert.throws(
      () => keepSettings(next, had, {}),
      (error) =>
        error instanceof AvkError &&
        error.code === 'AVK_UNACCEPTABLE' &&
        error.errors.map(({ path }) => path).join() === 'config.ROOM,config.FLOOR',
    );
    assert.throws(() => keepSettings(next, had, { GONE: 1 }), /config\.GONE: unknown setting/);
  });
});
