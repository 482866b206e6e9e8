import { type Occurrence, occurrenceAt, type Schedule, type Starts } from './schedule.ts';

/** Zones and recurrences are 10 MB of libraries that a platform without schedules never needs: loaded at the first use. */
export function loadCalendar(): Promise<typeof import('./calendar.ts')> {
  return import('./calendar.ts');
}

/** When the schedule's occurrences start. Loads nothing for a single window. */
export async function startsOf(schedule: Schedule): Promise<Starts> {
  if (schedule.recurrence !== null) return (await loadCalendar()).recurringStarts(schedule);
  const { start } = schedule;
  return { after: (time) => (time < start ? start : null), latest: (time) => (start <= time ? start : null) };
}

/** The first `count` occurrences that start after the time. */
export async function occurrences(schedule: Schedule, after: number, count: number): Promise<Occurrence[]> {
  return occurrencesOf(schedule, await startsOf(schedule), after, count);
}

export function occurrencesOf(schedule: Schedule, starts: Starts, after: number, count: number): Occurrence[] {
  const found: Occurrence[] = [];
  for (let last = after; found.length < count; ) {
    const start = starts.after(last);
    if (start === null) break;
    found.push(occurrenceAt(schedule, start));
    last = start;
  }
  return found;
}
