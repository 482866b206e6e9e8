import type { Occurrence, Schedule } from './schedule.ts';
import { oddity, wallOf } from './wall-time.ts';

export interface Noted {
  schedule: Schedule;
  /** As it was given. */
  startText: string;
  /** Local time, if that is how it was given. */
  endWall: number | null;
  /** The shortest way from one start to the next; null when there is one only. */
  interval: number | null;
  next: readonly Occurrence[];
  /** The local time that a start was meant to have; null where only the time that passes counts. */
  wanted: (start: number) => number | null;
  now: number;
}

const MINUTE_MS = 60_000;
const YEAR_MS = 366 * 86_400_000;

/** What a person should know before saving: one sentence each. */
export function notesOn(noted: Noted): string[] {
  return [...beginning(noted), ...overlapping(noted), ...clockChanges(noted)];
}

function beginning({ startText, schedule, next, now }: Noted): string[] {
  const [first] = next;
  const notes: string[] = [];
  if (!first) return notes;
  if (first.start <= now) notes.push('its window is open already, so it starts at once');
  else if (first.start > now + YEAR_MS) notes.push('the first start is more than a year away');
  if (schedule.recurrence !== null && first.start > schedule.start && schedule.start > now) {
    notes.push(
      `the start ${startText} does not fit the recurrence; the first occurrence is on ${localText(first.start, schedule.timezone)}`,
    );
  }
  return notes;
}

function overlapping({ schedule, interval }: Noted): string[] {
  if (schedule.end === null || interval === null) return [];
  const duration = schedule.end - schedule.start;
  if (duration <= interval) return [];
  const what =
    schedule.overlap === 'skip'
      ? 'a start that falls into a window under way is left out (overlap: skip)'
      : 'each start ends the window under way (overlap: replace)';
  return [`an occurrence lasts ${span(duration)} and the next one may start ${span(interval)} after it: ${what}`];
}

function clockChanges({ schedule, next, wanted, endWall }: Noted): string[] {
  const { timezone } = schedule;
  const notes: string[] = [];
  if (endWall !== null && schedule.end !== null) notes.push(...odd(endWall, schedule.end, timezone, 'ends'));
  for (const { start, end } of next) {
    const asked = wanted(start);
    const shown = wallOf(start, timezone);
    if (asked !== null) notes.push(...odd(asked, start, timezone, 'starts'));
    if (end === null) continue;
    const set = wallOf(end, timezone) - shown - (end - start);
    if (set !== 0) {
      notes.push(
        `the clock in ${timezone} is set ${set > 0 ? 'on' : 'back'} by ${span(Math.abs(set))} in the occurrence of ${dateOf(shown)}: ` +
          `it lasts ${span(end - start)} all the same, until ${timeOf(wallOf(end, timezone))}`,
      );
    }
  }
  return notes;
}

/** A local time that the clock leaves out or shows twice. */
function odd(asked: number, instant: number, zone: string, does: 'starts' | 'ends'): string[] {
  const what = oddity(asked, zone);
  const shown = wallOf(instant, zone);
  if (what === 'missing' && shown !== asked) {
    return [`${timeOf(asked)} does not exist on ${dateOf(asked)} in ${zone}; it ${does} at ${timeOf(shown)}`];
  }
  // Given with its offset, the second of the two may be meant.
  if (what !== 'twice' || shown !== asked) return [];
  return [`${timeOf(asked)} comes twice on ${dateOf(asked)} in ${zone}; it ${does} at the first one`];
}

function localText(instant: number, zone: string): string {
  const wall = wallOf(instant, zone);
  return `${dateOf(wall)} ${timeOf(wall)}`;
}

function dateOf(wall: number): string {
  return new Date(wall).toISOString().slice(0, 10);
}

/** `08:30`, or `08:30:15` where there are seconds. */
function timeOf(wall: number): string {
  const text = new Date(wall).toISOString();
  return text.slice(11, wall % MINUTE_MS === 0 ? 16 : 19);
}

/** `90 s`, `45 min`, `8 h`, `1 h 30 min`, `2 days`. */
function span(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  if (hours < 48) return rest === 0 ? `${hours} h` : `${hours} h ${rest} min`;
  return hours % 24 === 0 ? `${hours / 24} days` : `${Math.floor(hours / 24)} days ${hours % 24} h`;
}
