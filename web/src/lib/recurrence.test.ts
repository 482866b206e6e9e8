import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localTime, recurrenceText, type When, whenBody, whenErrors } from './recurrence.ts';

const WHEN: When = {
  start: '2026-11-23T08:00',
  end: '2026-11-23T10:00',
  timezone: 'Europe/Berlin',
  repeat: 'none',
  weekdays: ['MO', 'FR'],
  rule: '',
  until: '2026-12-31T00:00',
  overlap: 'skip',
  missed: 'once',
};

test('a single window has no recurrence, and no end of one', () => {
  assert.deepEqual(whenBody(WHEN), { start: WHEN.start, end: WHEN.end, timezone: 'Europe/Berlin' });
  assert.deepEqual(whenBody({ ...WHEN, end: '' }), { start: WHEN.start, timezone: 'Europe/Berlin' });
});

test('what is chosen becomes a rule, the days in the order of the week', () => {
  assert.equal(whenBody({ ...WHEN, repeat: 'daily' }).recurrence, 'FREQ=DAILY');
  const weekly = whenBody({ ...WHEN, repeat: 'weekly', weekdays: ['FR', 'MO'] });
  assert.deepEqual([weekly.recurrence, weekly.until], ['FREQ=WEEKLY;BYDAY=MO,FR', WHEN.until]);
  assert.equal(whenBody({ ...WHEN, repeat: 'custom', rule: ' 0 8 * * 1-5 ' }).recurrence, '0 8 * * 1-5');
  assert.equal('until' in whenBody({ ...WHEN, repeat: 'daily', until: '' }), false);
});

test('what is missing is said by field', () => {
  assert.deepEqual(whenErrors(WHEN), {});
  assert.deepEqual(Object.keys(whenErrors({ ...WHEN, start: '' })), ['start']);
  assert.deepEqual(Object.keys(whenErrors({ ...WHEN, end: WHEN.start })), ['end']);
  assert.deepEqual(Object.keys(whenErrors({ ...WHEN, repeat: 'weekly', weekdays: [] })), ['recurrence']);
  assert.deepEqual(Object.keys(whenErrors({ ...WHEN, repeat: 'custom', rule: ' ' })), ['recurrence']);
});

test('a moment is the zone’s time of day, up to the next five minutes', () => {
  const at = Date.parse('2026-11-22T12:01:00Z');
  assert.equal(localTime(at, 'Europe/Berlin'), '2026-11-22T13:05');
  assert.equal(localTime(at, 'Asia/Kolkata'), '2026-11-22T17:35');
  assert.equal(localTime(Date.parse('2026-12-31T23:58:00Z'), 'UTC'), '2027-01-01T00:00');
  assert.equal(localTime(Date.parse('2026-11-22T12:05:00Z'), 'UTC'), '2026-11-22T12:05');
});

test('a rule is said in words where that is simple, otherwise as it is', () => {
  assert.equal(recurrenceText(null), 'once');
  assert.equal(recurrenceText('FREQ=DAILY'), 'every day');
  assert.equal(recurrenceText('RRULE:FREQ=WEEKLY;BYDAY=MO,FR'), 'every Mon, Fri');
  assert.equal(recurrenceText('FREQ=WEEKLY'), 'every week');
  for (const rule of [
    '0 8 * * 1-5',
    'FREQ=DAILY;INTERVAL=2',
    'FREQ=MONTHLY;BYDAY=1MO',
    'FREQ=WEEKLY;BYDAY=MO;UNTIL=20270101',
  ])
    assert.equal(recurrenceText(rule), rule);
});
