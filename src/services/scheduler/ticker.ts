import { AvkError, asAvkError, messageOf } from '../../domain/errors.ts';
import { loadCalendar, startsOf } from '../../domain/occurrences.ts';
import { type Rules, rulesOf, type Schedule, type Starts } from '../../domain/schedule.ts';
import {
  type Action,
  type Decision,
  decide,
  decidePaused,
  initialProgress,
  type Progress,
  resume,
} from '../../domain/schedule-decision.ts';
import { type GivenSchedule, readSchedule } from '../../domain/schedule-input.ts';
import type { Messenger, Unit } from '../../kernel/messenger.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import { BATCH, nextDue, readDue, readRows, type ScheduleRow, type SchedulerTables, writeRows } from './store.ts';

type T = SchedulerTables;

export interface TickerDeps {
  messenger: Messenger<T>;
  database: Database<T>;
  clock: Clock;
  log: Log;
  /** Told `schedule.<what>.before|after` around each commit. The kill tests end the process there. */
  onJournal?: ((point: string) => void) | undefined;
}

export interface Ticker {
  /** Tells of all that is due, and returns when the next is. */
  tick(): Promise<number | null>;
  /** Pauses or resumes. @throws AvkError AVK_NOT_FOUND */
  pause(id: string, paused: boolean): Promise<void>;
}

/** How long a schedule that cannot be reckoned is left alone. */
const TROUBLE_MS = 60_000;

/** What was worked out before the transaction, as it may load code or take a moment. */
type Ready = { schedule: Schedule; rules: Rules; starts: Starts } | { refused: AvkError };

export function createTicker(deps: TickerDeps): Ticker {
  const { messenger, database, clock, log } = deps;
  const runningSince = clock.now();

  async function prepare(row: ScheduleRow): Promise<Ready> {
    try {
      const schedule =
        row.schedule === null
          ? (await readSchedule(JSON.parse(row.given ?? '{}') as GivenSchedule, row.made_at)).schedule
          : (JSON.parse(row.schedule) as Schedule);
      return { schedule, rules: rulesOf(schedule), starts: guarded(await startsOf(schedule)) };
    } catch (error) {
      return { refused: asAvkError(error) };
    }
  }

  /** Tells of what is due of one, and returns its row as it is then. */
  function look(unit: Unit<T>, row: ScheduleRow, ready: Ready, now: number): ScheduleRow {
    if ('refused' in ready) {
      const fields = { name: row.name, reason: ready.refused.message };
      unit.send('first_topic', 'error schedule', fields, row.request_id, { scheduleId: row.id });
      return { ...row, state: 'deleted', next_at: null, changed_at: now };
    }
    const { rules, starts, schedule } = ready;
    try {
      if (row.paused === 1) return carryOut(unit, row, decidePaused(progressOf(row), now), true, now);
      if (row.state === 'live') return carryOut(unit, row, decide(rules, starts, progressOf(row), now), false, now);
      const decision = decide(rules, starts, initialProgress(rules, starts, row.made_at), now);
      const data = { scheduleId: row.id, schedule, foreign: row.foreign === 1 };
      unit.send('first_topic', 'done schedule app', { name: row.name }, row.request_id, data);
      journal(unit, 'accepted');
      const accepted = { ...row, state: 'live' as const, given: null, schedule: JSON.stringify(schedule) };
      return carryOut(unit, accepted, decision, false, now);
    } catch (error) {
      // A calendar that fails is that schedule's trouble: the others are due all the same.
      if (!(error instanceof CalendarError)) throw error;
      log.error({ scheduleId: row.id, reason: error.message }, 'what is due of a schedule cannot be told');
      return { ...row, next_at: now + TROUBLE_MS };
    }
  }

  /** Row and messages change together: whatever crashes, each start and end is told once. */
  function carryOut(unit: Unit<T>, row: ScheduleRow, decision: Decision, paused: boolean, now: number): ScheduleRow {
    const { actions, progress, nextAt } = decision;
    const over = nextAt === null && !paused;
    actions.forEach((action, index) => {
      tell(unit, row, action, over && index === actions.length - 1);
      journal(unit, { start: 'started', end: 'ended', skip: 'skipped' }[action.kind]);
    });
    return {
      ...row,
      paused: paused ? 1 : 0,
      handled: progress.handled,
      active_start: progress.active?.start ?? null,
      active_end: progress.active?.end ?? null,
      next_at: nextAt,
      changed_at: now,
      ...(over ? { state: 'ended' } : {}),
    };
  }

  function tell(unit: Unit<T>, { id, name }: ScheduleRow, action: Action, last: boolean): void {
    const occurrence = new Date(action.start).toISOString();
    // Derived, not drawn: whoever hears of it twice knows it.
    const requestId = `${id}/${occurrence}`;
    const data = { scheduleId: id, occurrence, last };
    switch (action.kind) {
      case 'start': {
        const end = action.end === null ? null : new Date(action.end).toISOString();
        unit.send('first_topic', 'its time', { name }, requestId, { ...data, end, late: action.late });
        return;
      }
      case 'end':
        unit.send('first_topic', 'its end time', { name }, requestId, { ...data, replaced: action.replaced });
        return;
      case 'skip':
        unit.send('first_topic', 'skipped its time', { name, reason: whySkipped(action) }, requestId, {
          ...data,
          reason: action.reason,
          count: action.count,
        });
    }
  }

  function whySkipped({ reason, start, count }: Extract<Action, { kind: 'skip' }>): string {
    const before = count === null ? 'and many before it' : `and ${count - 1} before it`;
    const more = count === 1 ? '' : `, ${before}`;
    if (reason === 'overlap') return `the occurrence before was still running${more}`;
    if (reason === 'paused') return `the schedule was paused${more}`;
    return start < runningSince
      ? `the platform was stopped then${more}`
      : `the clock was set on, or the machine slept${more}`;
  }

  function journal(unit: Unit<T>, what: string): void {
    deps.onJournal?.(`schedule.${what}.before`);
    unit.after(() => deps.onJournal?.(`schedule.${what}.after`));
  }

  async function round(): Promise<number> {
    const due = await readDue(database.read, clock.now());
    if (due.length === 0) return 0;
    if (due.some((row) => row.state === 'new')) await loadCalendar();
    const ready = new Map<string, Ready>();
    for (const row of due) ready.set(row.id, await prepare(row));
    await messenger.transaction(async (unit) => {
      const now = clock.now();
      // Read again: a pause or the end of a schedule may have come between.
      const rows = await readRows(unit.tx, [...ready.keys()]);
      const changed = rows.flatMap((row) => {
        const prepared = ready.get(row.id);
        return prepared && row.next_at !== null && row.next_at <= now ? [look(unit, row, prepared, now)] : [];
      });
      await writeRows(unit.tx, changed);
    });
    return due.length;
  }

  return {
    async tick() {
      while ((await round()) === BATCH);
      return nextDue(database.read);
    },
    async pause(id, paused) {
      const [found] = await readRows(database.read, [id]);
      const ready = found && found.state !== 'deleted' ? await prepare(found) : null;
      if (!found || !ready || 'refused' in ready) throw new AvkError('AVK_NOT_FOUND', `there is no schedule ${id}`);
      await messenger.transaction(async (unit) => {
        const [row] = await readRows(unit.tx, [id]);
        if (row?.state === 'ended') throw new AvkError('AVK_CONFLICT', 'the schedule has ended');
        if (row?.state !== 'live' || (row.paused === 1) === paused) return;
        const now = clock.now();
        const progress = progressOf(row);
        const decision = paused ? decidePaused(progress, now) : resume(ready.starts, progress, now);
        await writeRows(unit.tx, [carryOut(unit, row, decision, paused, now)]);
      });
    },
  };
}

function progressOf(row: ScheduleRow): Progress {
  const { handled, active_start: start, active_end: end } = row;
  return { handled, active: start === null || end === null ? null : { start, end } };
}

/** The library that reckons the dates threw. */
class CalendarError extends Error {}

function guarded(starts: Starts): Starts {
  const guard =
    (find: (time: number) => number | null) =>
    (time: number): number | null => {
      try {
        return find(time);
      } catch (cause) {
        throw new CalendarError(messageOf(cause), { cause });
      }
    };
  return { after: guard(starts.after), latest: guard(starts.latest) };
}
