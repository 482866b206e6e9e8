import { z } from 'zod';
import { AvkError } from './errors.ts';
import { loadCalendar, occurrencesOf, startsOf } from './occurrences.ts';
import { type Occurrence, rulesOf, type Schedule, type Starts } from './schedule.ts';
import { initialProgress } from './schedule-decision.ts';

const time = z.string().min(1).max(64);

/** A schedule as it is asked for, over HTTP and in messages. */
export const scheduleInputShape = {
  start: time.meta({
    description: 'RFC 3339, or local time of the zone such as 2026-11-22T08:00',
    example: '2026-11-23T08:00',
  }),
  end: time.nullish().meta({
    description: 'The same; absent: it runs until it is stopped. With a recurrence, the first one’s end',
    example: '2026-11-23T18:00',
  }),
  timezone: z.string().min(1).max(64).default('UTC').describe('IANA name, such as Europe/Berlin'),
  recurrence: z.string().min(1).max(500).nullish().meta({
    description: 'A rule of RFC 5545 (FREQ=WEEKLY;BYDAY=MO) or five-field cron (0 8 * * 1-5)',
    example: '0 8 * * 1-5',
  }),
  until: time.nullish().describe('No occurrence starts later'),
  overlap: z.enum(['skip', 'replace']).default('skip').describe('When the occurrence before still runs'),
  missed: z.enum(['once', 'skip']).default('once').describe('When the platform did not run at the start'),
};
const scheduleInputSchema = z.object(scheduleInputShape);
export type ScheduleInput = z.infer<typeof scheduleInputSchema>;
export type GivenSchedule = z.input<typeof scheduleInputSchema>;

/** A Schedule as it travels from service to service. */
export const scheduleSchema = z.object({
  start: z.number(),
  end: z.number().nullable(),
  timezone: z.string(),
  wall: z.number(),
  recurrence: z.string().nullable(),
  until: z.number().nullable(),
  overlap: z.enum(['skip', 'replace']),
  missed: z.enum(['once', 'skip']),
}) satisfies z.ZodType<Schedule>;

export interface ReadSchedule {
  schedule: Schedule;
  /** The first occurrences, ten at most. */
  next: Occurrence[];
  /** What a person should know about them. */
  notes: string[];
}

const SHOWN = 10;
/** Farther ahead is a typing error, and zones change their rules long before. */
const FARTHEST_MS = 20 * 366 * 86_400_000;
const SHORTEST_INTERVAL_MS = 60_000;
const LOOKED_AT = 100;

/**
 * Checks a schedule against the calendar and the clock.
 *
 * @throws AvkError AVK_UNACCEPTABLE that names the field, its value and what was expected
 */
export async function readSchedule(given: GivenSchedule, now: number): Promise<ReadSchedule> {
  const input = parseInput(given);
  const { isCron, parseRule, untilTime, ...calendar } = await loadCalendar();
  const { timezone } = input;
  if (!calendar.isZone(timezone)) {
    refuse('timezone', 'expected the name of an IANA time zone, such as Europe/Berlin', timezone);
  }
  const read = (path: string, text: string): { instant: number; wall: number } => {
    const found = calendar.parseTime(text, timezone);
    return found ?? refuse(path, 'expected a time such as 2026-11-22T08:00:00Z, or 2026-11-22T08:00 in the zone', text);
  };
  const start = read('start', input.start);
  const end = input.end ? read('end', input.end) : null;
  if (end && end.instant <= start.instant) {
    const equal = end.instant === start.instant;
    refuse('end', `expected a time after the start ${input.start}${equal ? ', not the start itself' : ''}`, input.end);
  }
  if (start.instant > now + FARTHEST_MS) refuse('start', 'expected a time within the next 20 years', input.start);

  const recurrence = input.recurrence?.trim() || null;
  let until = input.until ? read('until', input.until).instant : null;
  if (until !== null && recurrence === null) refuse('until', 'expected none without a recurrence', input.until);
  if (recurrence !== null && !isCron(recurrence)) {
    const rule = orRefuse(recurrence, () => parseRule(recurrence));
    if (rule.until !== null) {
      const inRule = read('recurrence', untilTime(rule.until)).instant;
      until = Math.min(until ?? inRule, inRule);
    }
  }
  if (until !== null && until < start.instant) {
    refuse(
      input.until ? 'until' : 'recurrence',
      `expected a time from the start ${input.start} on`,
      input.until ?? recurrence,
    );
  }
  const schedule: Schedule = {
    start: start.instant,
    end: end?.instant ?? null,
    timezone,
    wall: start.wall,
    recurrence,
    until,
    overlap: input.overlap,
    missed: input.missed,
  };
  const starts = await startsOrRefuse(schedule);
  const interval = recurrence === null ? null : calendar.shortestInterval(starts, schedule.start - 1, LOOKED_AT);
  if (recurrence !== null) checkRecurrence(schedule, starts, now, interval);
  const progress = initialProgress(rulesOf(schedule), starts, now);
  const next = occurrencesOf(schedule, starts, progress.handled, SHOWN);
  if (next.length === 0) refuseOver(input, schedule);
  const notes = calendar.notesOn({
    schedule,
    startText: input.start,
    endWall: end && /\d$/.test(input.end ?? '') && !/[+-]\d\d:\d\d$/.test(input.end ?? '') ? end.wall : null,
    interval,
    next,
    wanted: (at) => calendar.wantedStart(schedule, at),
    now,
  });
  return { schedule, next, notes };
}

async function startsOrRefuse(schedule: Schedule): Promise<Starts> {
  try {
    return await startsOf(schedule);
  } catch (error) {
    return refuseRecurrence(schedule.recurrence, error);
  }
}

function checkRecurrence(schedule: Schedule, starts: Starts, now: number, interval: number | null): void {
  const { recurrence, start, until } = schedule;
  const first = orRefuse(recurrence, () => starts.after(start - 1));
  if (first === null) {
    const within = until === null ? '' : ' between the start and its end';
    refuse('recurrence', `expected one that comes to pass; this one never does${within}`, recurrence);
  }
  if (interval !== null && interval < SHORTEST_INTERVAL_MS) {
    const message = `expected at least a minute from start to start; these are ${interval / 1000} s apart`;
    refuse('recurrence', message, recurrence);
  }
  if (first > now + FARTHEST_MS) {
    refuse('recurrence', 'expected a first occurrence within the next 20 years', recurrence);
  }
}

/** Nothing lies ahead. */
function refuseOver(input: ScheduleInput, schedule: Schedule): never {
  if (schedule.recurrence !== null) {
    return refuse('recurrence', 'expected one with occurrences ahead; all of these are over', input.recurrence);
  }
  if (schedule.end === null || schedule.missed === 'skip') {
    return refuse('start', 'expected a time ahead; this one is past, so deploy it now or choose another', input.start);
  }
  return refuse('end', 'expected a time ahead; this window is over', input.end);
}

function parseInput(given: GivenSchedule): ScheduleInput {
  const parsed = scheduleInputSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = issue?.path.join('.') ?? '';
  const value = (given as Record<string, unknown>)[path];
  return refuse(path, issue?.message ?? 'not acceptable', value === undefined ? 'nothing' : String(value));
}

function orRefuse<T>(recurrence: string | null, make: () => T): T {
  try {
    return make();
  } catch (error) {
    return refuseRecurrence(recurrence, error);
  }
}

function refuseRecurrence(recurrence: string | null, error: unknown): never {
  const why = error instanceof Error ? error.message : String(error);
  return refuse('recurrence', `expected a rule of RFC 5545 or five-field cron: ${why}`, recurrence);
}

function refuse(path: string, message: string, received: string | null | undefined): never {
  const shown = (received ?? 'nothing').slice(0, 100);
  throw new AvkError('AVK_UNACCEPTABLE', `${path}: ${message}`, { errors: [{ path, message, received: shown }] });
}
