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
import { BATCH, nextDue, readDue, readRows, type ScheduleRow, type SchedulerTables, writeRow } from './store.ts';

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
      return { schedule, rules: rulesOf(schedule), starts: await startsOf(schedule) };
    } catch (error) {
      return { refused: asAvkError(error) };
    }
  }

  async function look(unit: Unit<T>, row: ScheduleRow, ready: Ready, now: number): Promise<void> {
    if ('refused' in ready) {
      await writeRow(unit.tx, row.id, { state: 'deleted', next_at: null, changed_at: now });
      const fields = { name: row.name, reason: ready.refused.message };
      unit.send('first_topic', 'error schedule', fields, row.request_id, { scheduleId: row.id });
      return;
    }
    const { rules, starts, schedule } = ready;
    let progress = progressOf(row);
    if (row.state === 'new') {
      progress = initialProgress(rules, starts, row.made_at);
      await writeRow(unit.tx, row.id, { state: 'live', given: null, schedule: JSON.stringify(schedule) });
      const data = { scheduleId: row.id, schedule, foreign: row.foreign === 1 };
      unit.send('first_topic', 'done schedule app', { name: row.name }, row.request_id, data);
      journal(unit, 'accepted');
    }
    let decision: Decision;
    try {
      decision = row.paused === 1 ? decidePaused(progress, now) : decide(rules, starts, progress, now);
    } catch (error) {
      // A calendar that fails is that schedule's trouble: the others are due all the same.
      log.error({ scheduleId: row.id, reason: messageOf(error) }, 'what is due of a schedule cannot be told');
      await writeRow(unit.tx, row.id, { next_at: now + TROUBLE_MS });
      return;
    }
    await carryOut(unit, row, decision, row.paused === 1, now);
  }

  /** Row and messages change together: whatever crashes, each start and end is told once. */
  async function carryOut(
    unit: Unit<T>,
    row: ScheduleRow,
    decision: Decision,
    paused: boolean,
    now: number,
  ): Promise<void> {
    const { actions, progress, nextAt } = decision;
    const over = nextAt === null && !paused;
    actions.forEach((action, index) => {
      tell(unit, row, action, over && index === actions.length - 1);
      journal(unit, { start: 'started', end: 'ended', skip: 'skipped' }[action.kind]);
    });
    await writeRow(unit.tx, row.id, {
      paused: paused ? 1 : 0,
      handled: progress.handled,
      active_start: progress.active?.start ?? null,
      active_end: progress.active?.end ?? null,
      next_at: nextAt,
      changed_at: now,
      ...(over ? { state: 'ended' } : {}),
    });
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
      for (const row of await readRows(unit.tx, [...ready.keys()])) {
        const prepared = ready.get(row.id);
        if (prepared && row.next_at !== null && row.next_at <= now) await look(unit, row, prepared, now);
      }
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
        await carryOut(unit, row, decision, paused, now);
      });
    },
  };
}

function progressOf(row: ScheduleRow): Progress {
  const { handled, active_start: start, active_end: end } = row;
  return { handled, active: start === null || end === null ? null : { start, end } };
}
