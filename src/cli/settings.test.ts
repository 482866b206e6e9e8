import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSeen } from './logs.ts';
import { collectSetting, typedSettings } from './settings.ts';

test('--set collects KEY=VALUE; the value may hold more of them', () => {
  const one = collectSetting('A=1', undefined);
  assert.deepEqual(
    [...collectSetting('B=x=y', one)],
    [
      ['A', '1'],
      ['B', 'x=y'],
    ],
  );
  assert.deepEqual([...collectSetting('C=', undefined)], [['C', '']]);
  for (const wrong of ['A', '=1', '']) assert.throws(() => collectSetting(wrong, undefined), /KEY=VALUE/);
});

test('settings get the types of the manifest; what does not fit stays text for the platform to refuse', () => {
  const config = [
    { key: 'N', type: 'number' },
    { key: 'B', type: 'boolean' },
    { key: 'S', type: 'string' },
  ];
  const typed = (entries: Record<string, string>) => typedSettings(new Map(Object.entries(entries)), config);
  assert.deepEqual(typed({ N: '26.5', B: 'True', S: '12' }), { N: 26.5, B: true, S: '12' });
  assert.deepEqual(typed({ N: '', B: 'yes', X: '1' }), { N: '', B: 'yes', X: '1' });
  assert.deepEqual(typed({ N: 'Infinity' }), { N: 'Infinity' });
});

test('after a break, lines that were shown are not shown again, and those missed are', () => {
  const seen = createSeen();
  const line = (replica: string, ts: string) => ({ replica, stream: 'stdout', ts });
  const first = [line('a', '1'), line('a', '2'), line('a', '2'), line('b', '1')];
  assert.deepEqual(
    first.map((one) => seen.isNew(one)),
    [true, true, true, true],
  );
  seen.connected();
  const again = [...first, line('a', '2'), line('a', '3'), line('b', '0'), line('b', '2'), line('c', '1')];
  assert.deepEqual(
    again.map((one) => seen.isNew(one)),
    [false, false, false, false, true, true, false, true, true],
  );
});
