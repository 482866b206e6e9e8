import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { startsOf } from './occurrences.ts';
import { type GivenSchedule, readSchedule } from './schedule-input.ts';

const NOW = Date.parse('2026-11-22T11:00:00Z');
const short = (ms: number): string => new Date(ms).toISOString().replace(/(:00)?\.000Z$/, 'Z');

async function startsFrom(given: GivenSchedule, count: number): Promise<string[]> {
  const { next } = await readSchedule(given, Math.min(NOW, Date.parse('2026-09-01T00:00:00Z')));
  return next.slice(0, count).map(({ start }) => short(start));
}

/** Local times in, what they come to in UTC. Clocks are set on or back in the middle of each. */
const TABLE: [what: string, given: GivenSchedule, starts: string[]][] = [
  [
    'Berlin, daily at 02:30, set on: moved on by the hour that is left out',
    { start: '2027-03-27T02:30', timezone: 'Europe/Berlin', recurrence: 'FREQ=DAILY' },
    ['2027-03-27T01:30Z', '2027-03-28T01:30Z', '2027-03-29T00:30Z'],
  ],
  [
    'Berlin, the same by cron',
    { start: '2027-03-27T00:00', timezone: 'Europe/Berlin', recurrence: '30 2 * * *' },
    ['2027-03-27T01:30Z', '2027-03-28T01:30Z', '2027-03-29T00:30Z'],
  ],
  [
    'Berlin, daily at 02:30, set back: the first of the two',
    { start: '2027-10-30T02:30', timezone: 'Europe/Berlin', recurrence: 'FREQ=DAILY' },
    ['2027-10-30T00:30Z', '2027-10-31T00:30Z', '2027-11-01T01:30Z'],
  ],
  [
    'Berlin, the same by cron',
    { start: '2027-10-30T00:00', timezone: 'Europe/Berlin', recurrence: '30 2 * * *' },
    ['2027-10-30T00:30Z', '2027-10-31T00:30Z', '2027-11-01T01:30Z'],
  ],
  [
    'Berlin, 02:30 and 03:15, set on: in the order of time, not of the clock',
    { start: '2027-03-27T00:00', timezone: 'Europe/Berlin', recurrence: 'FREQ=DAILY;BYHOUR=2,3;BYMINUTE=15,45' },
    [
      '2027-03-27T01:15Z',
      '2027-03-27T01:45Z',
      '2027-03-27T02:15Z',
      '2027-03-27T02:45Z',
      // 02:15 is 03:15, which is due anyhow.
      '2027-03-28T01:15Z',
      '2027-03-28T01:45Z',
      '2027-03-29T00:15Z',
    ],
  ],
  [
    'Berlin, every half hour is every half hour while the clock is set back',
    { start: '2027-10-31T01:30', timezone: 'Europe/Berlin', recurrence: 'FREQ=MINUTELY;INTERVAL=30' },
    ['2027-10-30T23:30Z', '2027-10-31T00:00Z', '2027-10-31T00:30Z', '2027-10-31T01:00Z', '2027-10-31T01:30Z'],
  ],
  [
    'Berlin, and by cron',
    { start: '2027-10-31T01:30', timezone: 'Europe/Berlin', recurrence: '*/30 * * * *' },
    ['2027-10-30T23:30Z', '2027-10-31T00:00Z', '2027-10-31T00:30Z', '2027-10-31T01:00Z', '2027-10-31T01:30Z'],
  ],
  [
    'New York, weekdays at 09:00 across the change',
    { start: '2027-03-12T09:00', timezone: 'America/New_York', recurrence: '0 9 * * 1-5' },
    ['2027-03-12T14:00Z', '2027-03-15T13:00Z', '2027-03-16T13:00Z'],
  ],
  [
    'New York, Sundays at 02:30, set on',
    { start: '2027-03-07T02:30', timezone: 'America/New_York', recurrence: 'FREQ=WEEKLY;BYDAY=SU' },
    ['2027-03-07T07:30Z', '2027-03-14T07:30Z', '2027-03-21T06:30Z'],
  ],
  [
    'New York, 01:30 on the day it comes twice',
    { start: '2027-11-06T01:30', timezone: 'America/New_York', recurrence: 'FREQ=DAILY;COUNT=3' },
    ['2027-11-06T05:30Z', '2027-11-07T05:30Z', '2027-11-08T06:30Z'],
  ],
  [
    'Lord Howe, 02:15, set on by half an hour',
    { start: '2027-10-02T02:15', timezone: 'Australia/Lord_Howe', recurrence: 'FREQ=DAILY' },
    ['2027-10-01T15:45Z', '2027-10-02T15:45Z', '2027-10-03T15:15Z'],
  ],
  [
    'Lord Howe, 01:45, set back by half an hour: the first of the two',
    { start: '2027-04-03T01:45', timezone: 'Australia/Lord_Howe', recurrence: '45 1 * * *' },
    ['2027-04-02T14:45Z', '2027-04-03T14:45Z', '2027-04-04T15:15Z'],
  ],
  [
    'Kathmandu, three quarters of an hour off, and never set',
    { start: '2027-03-28T08:00', timezone: 'Asia/Kathmandu', recurrence: 'FREQ=DAILY' },
    ['2027-03-28T02:15Z', '2027-03-29T02:15Z', '2027-03-30T02:15Z'],
  ],
  [
    'Kolkata, hourly on its own full hour',
    { start: '2027-03-28T08:00', timezone: 'Asia/Kolkata', recurrence: '0 * * * *' },
    ['2027-03-28T02:30Z', '2027-03-28T03:30Z', '2027-03-28T04:30Z'],
  ],
  [
    'UTC, the last Friday of the month',
    { start: '2026-12-01T18:00', recurrence: 'FREQ=MONTHLY;BYDAY=-1FR' },
    ['2026-12-25T18:00Z', '2027-01-29T18:00Z', '2027-02-26T18:00Z'],
  ],
  [
    'UTC, leap days',
    { start: '2028-02-29T12:00', recurrence: 'FREQ=YEARLY' },
    ['2028-02-29T12:00Z', '2032-02-29T12:00Z', '2036-02-29T12:00Z'],
  ],
  [
    'a rule’s UNTIL is local time of the zone, and included',
    { start: '2027-01-04T08:00', timezone: 'America/New_York', recurrence: 'FREQ=DAILY;UNTIL=20270105T080000' },
    ['2027-01-04T13:00Z', '2027-01-05T13:00Z'],
  ],
  [
    'a rule’s UNTIL of a day is all of it, and the earlier of two ends counts',
    { start: '2027-01-04T08:00', until: '2027-01-05T12:00', recurrence: 'RRULE:FREQ=DAILY;UNTIL=20270106' },
    ['2027-01-04T08:00Z', '2027-01-05T08:00Z'],
  ],
  [
    'an offset in the start does not move the rhythm to another zone',
    { start: '2027-03-27T08:00:00Z', timezone: 'Europe/Berlin', recurrence: 'FREQ=DAILY' },
    ['2027-03-27T08:00Z', '2027-03-28T07:00Z', '2027-03-29T07:00Z'],
  ],
];

describe('recurrences in their zones', () => {
  for (const [what, given, expected] of TABLE) {
    test(what, async () => {
      const found = await startsFrom(given, expected.length);
      assert.deepEqual(found, expected);
    });
  }

  test('a single window in the hour that does not exist, and in the one that comes twice', async () => {
    const window = async (start: string, end: string): Promise<string[]> => {
      const { schedule } = await readSchedule({ start, end, timezone: 'Europe/Berlin' }, NOW);
      return [short(schedule.start), short(schedule.end ?? 0)];
    };
    assert.deepEqual(await window('2027-03-28T02:30', '2027-03-28T02:45'), ['2027-03-28T01:30Z', '2027-03-28T01:45Z']);
    assert.deepEqual(await window('2027-10-31T02:30', '2027-10-31T03:30'), ['2027-10-31T00:30Z', '2027-10-31T02:30Z']);
    // With its offset the second one can be named.
    assert.equal((await window('2027-10-31T02:30:00+01:00', '2027-10-31T03:30'))[0], '2027-10-31T01:30Z');
  });

  test('each occurrence lasts as long as the first one, by a stop watch', async () => {
    const given = {
      start: '2027-03-27T22:00',
      end: '2027-03-28T06:00',
      timezone: 'Europe/Berlin',
      recurrence: 'FREQ=DAILY',
    };
    const { next, notes } = await readSchedule(given, NOW);
    for (const { start, end } of next) assert.equal((end ?? 0) - start, 7 * 3_600_000);
    assert.match(notes.join(), /set on by 1 h in the occurrence of 2027-03-27: it lasts 7 h all the same, until 06:00/);
  });

  const RHYTHMS = [
    'FREQ=DAILY;BYHOUR=0,1,2,3;BYMINUTE=0,15,30,45',
    'FREQ=DAILY',
    'FREQ=WEEKLY;BYDAY=SU,MO',
    'FREQ=HOURLY;BYMINUTE=10,40',
    'FREQ=MINUTELY;INTERVAL=45',
    '30 2 * * *',
    '0,20,40 0-4 * * *',
    '5 * * * 0',
    'FREQ=DAILY;COUNT=140',
  ];
  const ZONES = [
    'Europe/Berlin',
    'America/New_York',
    'Australia/Lord_Howe',
    'Asia/Kathmandu',
    'Africa/Casablanca',
    'UTC',
  ];

  test('after and latest agree with one another, around every change of the clock', async () => {
    for (const recurrence of RHYTHMS) {
      for (const timezone of ZONES) {
        const { schedule } = await readSchedule({ start: '2027-01-01T02:30', timezone, recurrence }, NOW);
        const starts = await startsOf(schedule);
        fc.assert(
          fc.property(fc.integer({ min: 0, max: 330 * 24 * 60 }), (minutes) => {
            // From a week on, every one of them has begun.
            const time = schedule.start + 7 * 86_400_000 + minutes * 60_000;
            const next = starts.after(time);
            const last = starts.latest(time);
            const where = `${recurrence} in ${timezone} around ${short(time)}`;
            assert.ok(next === null || next > time, where);
            assert.ok(last !== null && last <= time, where);
            assert.equal(starts.after(last), next, `nothing lies between the two: ${where}`);
            assert.equal(starts.after(last - 1), last, where);
            if (next !== null) assert.equal(starts.latest(next - 1), last, where);
          }),
          { numRuns: 15 },
        );
      }
    }
  });
});
