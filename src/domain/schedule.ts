/**
 * When an instance is to run: one window, or a recurrence of windows. The first occurrence is `start` to `end`; each
 * one lasts exactly as long as the first (RFC 5545 §3.8.5.3: with DTEND "the same exact duration will apply to all").
 * So it is elapsed time that counts and not the hands of the clock: an app that measures for eight hours measures for
 * eight hours in the night of a clock change, too, and no window can come out empty or turned around.
 */
export interface Schedule {
  /** Milliseconds since the Unix epoch, like all times here. */
  start: number;
  /** Null: it runs until somebody stops it. */
  end: number | null;
  /** IANA name. */
  timezone: string;
  /** What the clock on the wall says at the start, as milliseconds of UTC: differs from `start` by the zone's offset, and in the hour that does not exist by more. */
  wall: number;
  /** A rule of RFC 5545 or a five-field cron expression. */
  recurrence: string | null;
  /** No occurrence starts later. */
  until: number | null;
  /** When an occurrence is due while the one before runs: leave it out, or end that one and start it. */
  overlap: 'skip' | 'replace';
  /** When a start was missed: once: the last one that is still open starts late; skip: none does. */
  missed: 'once' | 'skip';
}

export interface Occurrence {
  start: number;
  end: number | null;
}

/** How late a start may come and still be in time. */
export const GRACE_MS = 60_000;

export function durationOf(schedule: Schedule): number | null {
  return schedule.end === null ? null : schedule.end - schedule.start;
}

export function occurrenceAt(schedule: Schedule, start: number): Occurrence {
  const duration = durationOf(schedule);
  return { start, end: duration === null ? null : start + duration };
}

/** The starts of a schedule, in order. */
export interface Starts {
  /** The first one after the time. */
  after(time: number): number | null;
  /** The last one at or before the time. */
  latest(time: number): number | null;
}

/** What of a schedule decides, beside its starts. */
export interface Rules {
  durationMs: number | null;
  overlap: Schedule['overlap'];
  missed: Schedule['missed'];
}

export function rulesOf(schedule: Schedule): Rules {
  return { durationMs: durationOf(schedule), overlap: schedule.overlap, missed: schedule.missed };
}
