import { z } from 'zod';
import { AvkError } from './errors.ts';

/** A stretch of time that figures are asked for, cut into steps; milliseconds. Both ends are included. */
export interface Span {
  from: number;
  to: number;
  stepMs: number;
}

/** More points than this are too many to look at, and to send. */
export const MOST_POINTS = 500;
/** How often figures are recorded: nothing finer can be asked for. */
export const RECORD_EVERY_MS = 10_000;
const DEFAULT_SPAN_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Lengths of a step that people think in, in seconds. Beyond the last: whole days. */
const STEPS = [10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];

const time = z.iso.datetime({
  offset: true,
  error: 'expected an RFC 3339 time such as 2026-11-22T08:00:00Z, in an address with + written as %2B',
});

/** `?from&to` of every history; the last hour when neither is given. */
export const spanQuery = z.object({
  from: time.optional().meta({ description: 'RFC 3339; default an hour before `to`', example: '2026-11-22T08:00:00Z' }),
  to: time.optional().meta({ description: 'RFC 3339; default now', example: '2026-11-22T09:00:00Z' }),
});

/**
 * The span that was asked for, with steps that make at most MOST_POINTS of it. It begins at a whole step, so that the
 * same question asked a moment later gets the same points and one more.
 *
 * @throws AvkError AVK_UNACCEPTABLE when it does not begin before it ends
 */
export function spanOf(query: z.infer<typeof spanQuery>, now: number): Span {
  const to = query.to === undefined ? now : Date.parse(query.to);
  const from = query.from === undefined ? to - DEFAULT_SPAN_MS : Date.parse(query.from);
  if (from >= to) {
    const end = query.to === undefined ? 'now' : 'to';
    const message = `expected a time before ${end}, which is ${iso(to)}`;
    throw new AvkError('AVK_UNACCEPTABLE', `from: ${message}`, {
      errors: [{ path: 'from', message, received: query.from ?? iso(from) }],
    });
  }
  const stepMs = stepOf(from, to);
  return { from: from - mod(from, stepMs), to, stepMs };
}

/** The shortest step of which at most MOST_POINTS are needed. */
function stepOf(from: number, to: number): number {
  const fits = (stepMs: number): boolean => Math.floor(to / stepMs) - Math.floor(from / stepMs) < MOST_POINTS;
  const step = STEPS.find((seconds) => fits(seconds * 1000));
  if (step !== undefined) return step * 1000;
  let days = Math.ceil((to - from) / (MOST_POINTS * DAY_MS));
  while (!fits(days * DAY_MS)) days += 1;
  return days * DAY_MS;
}

function mod(value: number, by: number): number {
  return ((value % by) + by) % by;
}

/** A time as the API writes it. */
export function iso(at: number): string {
  return new Date(at).toISOString();
}
