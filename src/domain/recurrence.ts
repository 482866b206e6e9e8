import { Cron } from 'croner';
import { RRuleTemporal } from 'rrule-temporal';
import { parseRule } from './recurrence-rule.ts';
import type { Schedule, Starts } from './schedule.ts';
import { instantOf, offsetAt, utc, wallOf } from './wall-time.ts';

/*
 * Two kinds of rhythm. A time of day is reckoned on the wall's clock as if there were no zones, and each local time is
 * then looked up in the zone: one that does not exist is moved on by the gap, one that comes twice is taken once, the
 * first one. (By themselves the libraries leave the missing ones out, or take them to the gap's end.)
 * A plain rhythm of hours or minutes (FREQ=HOURLY or MINUTELY without BY parts, cron with * for the hour) is time that
 * passes: every quarter of an hour stays every quarter of an hour, also while the clock is set back.
 */

const DAY_MS = 86_400_000;
/** Farther than any clock is from where it was a day ago. */
const AROUND_MS = 26 * 3_600_000;
/** A rule that finds nothing in so many steps is as good as one that never fires. */
const MOST_STEPS = 10_000;

/** A rhythm and what it is reckoned in. */
interface Rhythm {
  starts: Starts;
  byWall: boolean;
}

export function recurringStarts(schedule: Schedule): Starts {
  const { starts, byWall } = rhythmOf(schedule);
  const rhythm = byWall ? onTheWall(starts, schedule.timezone) : starts;
  const { start, until } = schedule;
  return {
    after(time) {
      const found = rhythm.after(Math.max(time, start - 1));
      return found === null || (until !== null && found > until) ? null : found;
    },
    latest(time) {
      const found = rhythm.latest(until === null ? time : Math.min(time, until));
      return found === null || found < start ? null : found;
    },
  };
}

/** The local time that a start was meant to have; null where only the time that passes counts. */
export function wantedStart(schedule: Schedule, start: number): number | null {
  if (schedule.recurrence === null) return schedule.wall;
  const { starts, byWall } = rhythmOf(schedule);
  if (!byWall) return null;
  const wall = starts.latest(wallOf(start, schedule.timezone));
  return wall !== null && instantOf(wall, schedule.timezone) === start ? wall : null;
}

function rhythmOf(schedule: Schedule): Rhythm {
  const text = schedule.recurrence ?? '';
  return isCron(text) ? cronRhythm(text, schedule) : ruleRhythm(text, schedule);
}

/** A rule is made of `NAME=VALUE`. */
export function isCron(text: string): boolean {
  return !text.includes('=');
}

function cronRhythm(text: string, { timezone }: Schedule): Rhythm {
  const fields = text.trim().split(/\s+/);
  if (fields.length !== 5) throw new Error(`cron has five fields, this has ${fields.length}`);
  // To the library it means the present minute, hour or day, which is another one at each start of the platform.
  if (text.includes('?')) throw new Error('? is no part of five-field cron');
  const byWall = !fields[1]?.startsWith('*');
  const cron = new Cron(fields.join(' '), { mode: '5-part', timezone: byWall ? 'UTC' : timezone, paused: true });
  const starts: Starts = {
    after: (time) => cron.nextRun(new Date(time))?.getTime() ?? null,
    // Runs before a time, and reckoned in seconds.
    latest: (time) => cron.previousRuns(1, new Date(Math.floor(time / 1000) * 1000 + 1000))[0]?.getTime() ?? null,
  };
  return { starts, byWall };
}

function ruleRhythm(text: string, { start, wall }: Schedule): Rhythm {
  const rule = parseRule(text);
  const recurrence = new RRuleTemporal({
    rruleString: rule.withoutUntil,
    dtstart: utc(rule.byWall ? wall : start),
    strict: true,
    cache: false,
    maxIterations: MOST_STEPS,
  });
  const starts: Starts = {
    after: (time) => atMost(() => recurrence.next(new Date(time), false)?.epochMilliseconds ?? null),
    latest: (time) => atMost(() => recurrence.previous(new Date(time), true)?.epochMilliseconds ?? null),
  };
  return { starts, byWall: rule.byWall };
}

/** The library throws when it has looked for long enough. */
function atMost(find: () => number | null): number | null {
  try {
    return find();
  } catch (error) {
    if (error instanceof Error && /exceeded/.test(error.message)) return null;
    throw error;
  }
}

/** Starts given as local times, looked up in the zone. */
function onTheWall(local: Starts, zone: string): Starts {
  /** How far the clock is set on or back around the time: so far the order of local times and of instants may differ. */
  const set = (time: number): number => Math.abs(offsetAt(time + AROUND_MS, zone) - offsetAt(time - AROUND_MS, zone));
  return {
    after(time) {
      const margin = set(time);
      let best: number | null = null;
      let last = Number.POSITIVE_INFINITY;
      let wall = local.after(wallOf(time, zone) - margin - 1);
      while (wall !== null && wall <= last) {
        const instant = instantOf(wall, zone);
        if (instant > time) {
          if (best === null) last = wall + set(instant);
          best = Math.min(best ?? instant, instant);
        }
        wall = local.after(wall);
      }
      return best;
    },
    latest(time) {
      const margin = set(time);
      let best: number | null = null;
      let first = Number.NEGATIVE_INFINITY;
      let wall = local.latest(wallOf(time, zone) + margin);
      while (wall !== null && wall >= first) {
        const instant = instantOf(wall, zone);
        if (instant <= time) {
          if (best === null) first = wall - set(instant);
          best = Math.max(best ?? instant, instant);
        }
        wall = local.latest(wall - 1);
      }
      return best;
    },
  };
}

/** Distance between neighbouring starts, as short as it gets among the first ones; null when there is one start only. */
export function shortestInterval(starts: Starts, from: number, count: number): number | null {
  let shortest: number | null = null;
  let last = starts.after(from);
  for (let seen = 0; last !== null && seen < count; seen += 1) {
    const next = starts.after(last);
    if (next === null) break;
    shortest = Math.min(shortest ?? DAY_MS * 366, next - last);
    last = next;
  }
  return shortest;
}
