import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partsOf } from './told.ts';

test('moments are taken out of what the platform tells, whatever their zone', () => {
  assert.deepEqual(partsOf('its time 2026-11-22T13:06:52.337Z has come: deploying'), [
    'its time ',
    Date.parse('2026-11-22T13:06:52.337Z'),
    ' has come: deploying',
  ]);
  assert.deepEqual(partsOf('2026-11-22T14:06:00+01:00'), [Date.parse('2026-11-22T13:06:00Z')]);
});

test('what is no moment stays text, and a number keeps its per cent', () => {
  assert.deepEqual(partsOf('CPU 100 %, on 2026-11-22'), ['CPU 100\u00a0%, on 2026-11-22']);
  assert.deepEqual(partsOf('2026-13-45T99:99Z'), ['2026-13-45T99:99Z']);
  assert.deepEqual(partsOf(''), []);
});
