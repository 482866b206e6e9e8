import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigEntry } from '../api/types.ts';
import { firstFreeName, initialValues, settingErrors, settingsOf } from './settings.ts';

const entry = (key: string, more: Partial<ConfigEntry>): ConfigEntry => ({
  key,
  type: 'string',
  required: false,
  secret: false,
  ...more,
});
const ENTRIES = [
  entry('ROOM', { default: 'Lobby' }),
  entry('NOTE', {}),
  entry('LIMIT', { type: 'number', min: 10, max: 45, required: true }),
  entry('NIGHT', { type: 'boolean', default: false }),
  entry('KEY', { secret: true, default: 'from the app' }),
];

test('the form begins with the app’s defaults, but never shows a secret’s', () => {
  assert.deepEqual(initialValues(ENTRIES), {
    ROOM: 'Lobby',
    NOTE: undefined,
    LIMIT: undefined,
    NIGHT: false,
    KEY: undefined,
  });
});

test('what is left empty is left out, but a default that was emptied is sent empty', () => {
  assert.deepEqual(settingsOf(ENTRIES, { ROOM: '', NOTE: '', LIMIT: '', NIGHT: false, KEY: '' }), {
    ROOM: '',
    NIGHT: false,
  });
  assert.deepEqual(settingsOf(ENTRIES, { ROOM: 'Lab', LIMIT: '24', KEY: 's3cret' }), {
    ROOM: 'Lab',
    LIMIT: 24,
    KEY: 's3cret',
  });
});

test('what is wrong is said by field, with what was expected', () => {
  const errors = (LIMIT: string | number | undefined) => settingErrors(ENTRIES, { LIMIT });
  assert.deepEqual(errors(undefined), { 'config.LIMIT': 'The app needs a value here' });
  assert.deepEqual(errors(''), { 'config.LIMIT': 'The app needs a value here' });
  assert.deepEqual(errors('-'), { 'config.LIMIT': 'Expected a number' });
  assert.deepEqual(errors(9.9), { 'config.LIMIT': 'Expected at least 10' });
  assert.deepEqual(errors(46), { 'config.LIMIT': 'Expected at most 45' });
  assert.deepEqual(errors(10), {});
  assert.deepEqual(settingErrors([entry('A', { required: true, default: 'x' })], {}), {});
});

test('the first free name is the platform’s choice, whatever its case', () => {
  assert.equal(firstFreeName('web', []), 'web-1');
  assert.equal(firstFreeName('web', ['web-1', 'WEB-2', 'web-4']), 'web-3');
});
