import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../../test/support/virtual-clock.ts';
import { AvkError } from '../domain/errors.ts';
import { type AuditEntry, createAuditTrail } from './audit-trail.ts';

function entry(number: number): AuditEntry {
  const call = { action: 'Stops an instance', method: 'POST', path: '/api/deployedApps/stopApp/', status: 202 };
  return { at: number, actor: 'anna', ...call, target: `app-${number}`, from: '127.0.0.1' };
}

/** A trail to a place that works or does not. */
function lab() {
  const clock = createVirtualClock();
  const place = { works: true, refuses: false, batches: [] as number[], kept: [] as AuditEntry[] };
  const said: string[] = [];
  let lost = 0;
  const say = (_: object, message: string): void => {
    said.push(message);
  };
  const trail = createAuditTrail({
    async send(entries) {
      if (!place.works) throw new Error('no answer');
      if (place.refuses) throw new AvkError('AVK_UNACCEPTABLE', 'entries.0: expected something else');
      place.batches.push(entries.length);
      place.kept.push(...entries);
    },
    clock,
    log: { debug: say, info: say, warn: say, error: say },
    lost: (count) => {
      lost += count;
    },
  });
  return { clock, place, trail, said, lost: () => lost };
}

test('entries go out in batches, in order, soon', async () => {
  const { clock, place, trail } = lab();
  for (let number = 0; number < 1200; number += 1) trail.record(entry(number));
  assert.equal(place.kept.length, 0, 'nobody waited');
  await clock.advance(300);
  assert.deepEqual(
    place.kept.map(({ at }) => at),
    Array.from({ length: 1200 }, (_, number) => number),
  );
  assert.ok(place.batches.length <= 3, String(place.batches));
  assert.equal(clock.pending(), 0);
});

test('entries wait while they cannot be kept, and none is lost or doubled', async () => {
  const { clock, place, trail, lost } = lab();
  place.works = false;
  trail.record(entry(1));
  await clock.advance(10_000);
  trail.record(entry(2));
  place.works = true;
  await clock.advance(5000);
  assert.deepEqual(
    place.kept.map(({ at }) => at),
    [1, 2],
  );
  assert.equal(lost(), 0);
});

test('no more than so many wait; what is lost is counted and said', async () => {
  const { clock, place, trail, said, lost } = lab();
  place.works = false;
  for (let number = 0; number < 10_250; number += 1) trail.record(entry(number));
  assert.equal(lost(), 250);
  await clock.advance(1000);
  place.works = true;
  await clock.advance(5000);
  assert.equal(place.kept.length, 10_000);
  assert.ok(
    said.some((message) => message.startsWith('250 audit entries were lost')),
    said.join('\n'),
  );
});

test('a flush sends what waits at once', async () => {
  const { place, trail } = lab();
  trail.record(entry(1));
  await trail.flush();
  assert.equal(place.kept.length, 1);
});

test('what is refused does not hold up what comes after it', async () => {
  const { clock, place, trail, lost } = lab();
  place.refuses = true;
  trail.record(entry(1));
  await clock.advance(1000);
  place.refuses = false;
  trail.record(entry(2));
  await clock.advance(1000);
  assert.deepEqual(
    place.kept.map(({ at }) => at),
    [2],
  );
  assert.equal(lost(), 1);
});
