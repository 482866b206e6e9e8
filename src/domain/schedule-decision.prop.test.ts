import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { GRACE_MS, type Rules, type Starts } from './schedule.ts';
import { type Action, decide, decidePaused, initialProgress, type Progress, resume } from './schedule-decision.ts';

const MINUTE = 60_000;
const BEGIN = Date.UTC(2026, 0, 1);

/** Starts at these times. */
function startsAt(times: readonly number[]): Starts {
  return {
    after: (time) => times.find((start) => start > time) ?? null,
    latest: (time) => times.findLast((start) => start <= time) ?? null,
  };
}

interface Life {
  rules: Rules;
  times: number[];
  /** When somebody looks, by a clock that may be set back and forth. */
  looks: { at: number; act: 'look' | 'pause' | 'resume' }[];
}

/** Minutes between starts, then seconds between looks: small steps, long downtimes and jumps back. */
const life = (more: Partial<Rules> = {}): fc.Arbitrary<Life> =>
  fc
    .record({
      gaps: fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 25 }),
      durationMs: fc.option(fc.integer({ min: 1, max: 60 * MINUTE }), { nil: null }),
      overlap: fc.constantFrom<Rules['overlap']>('skip', 'replace'),
      missed: fc.constantFrom<Rules['missed']>('once', 'skip'),
      steps: fc.array(
        fc.tuple(
          fc.oneof(
            { weight: 6, arbitrary: fc.integer({ min: 0, max: 90_000 }) },
            { weight: 2, arbitrary: fc.integer({ min: 0, max: 120 * MINUTE }) },
            { weight: 1, arbitrary: fc.integer({ min: -30 * MINUTE, max: 0 }) },
          ),
          fc.oneof(
            { weight: 12, arbitrary: fc.constant('look' as const) },
            { weight: 1, arbitrary: fc.constant('pause' as const) },
            { weight: 1, arbitrary: fc.constant('resume' as const) },
          ),
        ),
        { maxLength: 120 },
      ),
    })
    .map(({ gaps, steps, durationMs, overlap, missed }) => {
      let at = BEGIN;
      const times = gaps.map((gap) => {
        at += gap * MINUTE;
        return at;
      });
      let now = BEGIN;
      const looks = steps.map(([step, act]) => {
        now += step;
        return { at: now, act };
      });
      return { rules: { durationMs, overlap, missed, ...more }, times, looks };
    });

interface Told {
  at: number;
  action: Action;
}

/** Lives it through, with a restart at every look: nothing but the progress is kept. */
function live({ rules, times, looks }: Life, options: { pauses?: boolean } = {}): { told: Told[]; progress: Progress } {
  const starts = startsAt(times);
  const told: Told[] = [];
  let paused = false;
  let progress = initialProgress(rules, starts, BEGIN);
  for (const { at, act } of looks) {
    let decision = paused ? decidePaused(progress, at) : decide(rules, starts, progress, at);
    if (options.pauses && act === 'resume' && paused) decision = resume(starts, progress, at);
    if (options.pauses && act !== 'look') paused = act === 'pause';
    progress = JSON.parse(JSON.stringify(decision.progress)) as Progress;
    told.push(...decision.actions.map((action) => ({ at, action })));
  }
  return { told, progress };
}

const of = (told: readonly Told[], kind: Action['kind']): Told[] => told.filter(({ action }) => action.kind === kind);

describe('what is due of a schedule, whatever the looks, restarts and jumps of the clock', () => {
  test('an occurrence starts once at most, ends once if it started, and ends before the next one starts', () => {
    fc.assert(
      fc.property(life(), fc.boolean(), (one, pauses) => {
        const { told, progress } = live(one, { pauses });
        const started = of(told, 'start').map(({ action }) => action.start);
        const ended = of(told, 'end').map(({ action }) => action.start);
        assert.equal(new Set(started).size, started.length, 'started twice');
        assert.equal(new Set(ended).size, ended.length, 'ended twice');
        if (one.rules.durationMs === null) {
          assert.deepEqual(ended, []);
          return;
        }
        const open = progress.active ? [progress.active.start] : [];
        assert.deepEqual(
          [...ended, ...open],
          started,
          'each one that started ended, in order, but for the one that runs',
        );
        let running: number | null = null;
        for (const { action } of told) {
          if (action.kind === 'start') {
            assert.equal(running, null, 'two at a time');
            running = action.start;
          } else if (action.kind === 'end') {
            assert.equal(running, action.start);
            running = null;
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('nothing starts before its time or into a window that is over, and nothing ends early unless it is replaced', () => {
    fc.assert(
      fc.property(life(), (one) => {
        for (const { at, action } of live(one).told) {
          if (action.kind === 'start') {
            assert.ok(action.start <= at && one.times.includes(action.start));
            assert.ok(action.end === null || action.end > at);
          } else if (action.kind === 'end') {
            assert.ok(action.replaced ? one.rules.overlap === 'replace' && action.end > at : action.end <= at);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('with missed: skip nothing starts later than the grace', () => {
    fc.assert(
      fc.property(life({ missed: 'skip' }), (one) => {
        for (const { at, action } of of(live(one).told, 'start')) {
          assert.ok(at - action.start <= GRACE_MS, `${at - action.start} ms late`);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('with missed: once a look after a downtime starts one at most, the last one that was due', () => {
    fc.assert(
      fc.property(life({ missed: 'once' }), (one) => {
        const byLook = Map.groupBy(of(live(one).told, 'start'), ({ at }) => at);
        for (const [at, starts] of byLook) {
          const last = one.times.findLast((time) => time <= at);
          // A clock that was set back may come by the same time again: what started then was due then.
          const first = starts[0];
          assert.ok(first && first.action.start === last);
          assert.equal(new Set(starts.map(({ action }) => action.start)).size, 1);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('looked at every second, every occurrence starts in time, or is left out for an overlap', () => {
    fc.assert(
      fc.property(life(), ({ rules, times }) => {
        const looks: Life['looks'] = [];
        const last = (times.at(-1) ?? BEGIN) + (rules.durationMs ?? 0) + 3000;
        for (let at = BEGIN; at <= last; at += 1000) looks.push({ at, act: 'look' });
        // A window of less than a second may be over at the first look: that is a missed one.
        const durationMs = rules.durationMs === null ? null : Math.max(rules.durationMs, 2000);
        const { told, progress } = live({ rules: { ...rules, durationMs }, times, looks });
        assert.deepEqual(progress.active, null);
        const decided = told.flatMap(({ at, action }) => {
          if (action.kind === 'end') return [];
          assert.ok(at - action.start < 1000);
          if (action.kind === 'skip')
            assert.deepEqual([action.reason, action.count, rules.overlap], ['overlap', 1, 'skip']);
          return [action.start];
        });
        assert.deepEqual(decided, times, 'each one is decided about, in order');
      }),
      { numRuns: 60 },
    );
  });

  test('when to look again is never after something is due, and null once nothing can come', () => {
    fc.assert(
      fc.property(life(), ({ rules, times, looks }) => {
        const starts = startsAt(times);
        let progress = initialProgress(rules, starts, BEGIN);
        for (const { at } of looks) {
          const { nextAt, progress: next } = decide(rules, starts, progress, at);
          progress = next;
          if (nextAt === null) {
            assert.equal(starts.after(progress.handled), null);
            assert.equal(progress.active, null);
            continue;
          }
          assert.ok(nextAt > Math.min(at, progress.handled));
          assert.deepEqual(
            decide(rules, starts, progress, Math.min(nextAt, at)).actions,
            [],
            'nothing is left for the same look',
          );
          if (nextAt > at) assert.deepEqual(decide(rules, starts, progress, nextAt - 1).actions, []);
          assert.notDeepEqual(decide(rules, starts, progress, Math.max(nextAt, at)).actions, []);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('while it is paused nothing starts; resumed, nothing of the pause does', () => {
    fc.assert(
      fc.property(life(), (one) => {
        const { told } = live(one, { pauses: true });
        let paused = false;
        let resumedAt = Number.NEGATIVE_INFINITY;
        let index = 0;
        for (const { at, act } of one.looks) {
          for (; told[index]?.at === at && told[index]?.action.kind; index += 1) {
            const action = told[index]?.action;
            if (action?.kind !== 'start') continue;
            assert.ok(!paused, 'started in a pause');
            assert.ok(action.start > resumedAt || resumedAt > at, 'of the pause');
          }
          if (act === 'resume' && paused) resumedAt = at;
          if (act !== 'look') paused = act === 'pause';
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('where a new schedule begins', () => {
  const hour = 60 * MINUTE;
  const rules: Rules = { durationMs: hour, overlap: 'skip', missed: 'once' };
  const cases: [what: string, rules: Rules, starts: number[], starting: number | null][] = [
    ['a start ahead waits', rules, [BEGIN + hour], null],
    ['a start of just now starts', rules, [BEGIN - 1000], BEGIN - 1000],
    ['a window that is open starts late', rules, [BEGIN - hour / 2], BEGIN - hour / 2],
    ['a window that is over does not', rules, [BEGIN - 2 * hour], null],
    ['with missed: skip none starts late', { ...rules, missed: 'skip' }, [BEGIN - hour / 2], null],
    ['without an end none starts late', { ...rules, durationMs: null }, [BEGIN - hour / 2], null],
    ['the last of many counts', rules, [BEGIN - 2 * hour, BEGIN - hour / 3, BEGIN + hour], BEGIN - hour / 3],
  ];
  for (const [what, given, times, expected] of cases) {
    test(what, () => {
      const starts = startsAt(times);
      const { actions } = decide(given, starts, initialProgress(given, starts, BEGIN), BEGIN);
      const started = actions.filter(({ kind }) => kind === 'start').map(({ start }) => start);
      assert.deepEqual(started, expected === null ? [] : [expected]);
    });
  }
});
