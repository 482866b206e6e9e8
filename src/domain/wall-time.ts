import { Temporal } from 'temporal-polyfill';

/*
 * Local time as a number: what the clock on the wall says, as the milliseconds of UTC at which UTC's clock says so.
 */

const LOCAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?$/i;
const OFFSET = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/i;

export function isZone(name: string): boolean {
  // Offsets such as +01:00 are zones to the library, and no names of places with rules of their own.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** A time with an offset, or local time of the zone; null when it is neither, or no day of the calendar. */
export function parseTime(text: string, zone: string): { instant: number; wall: number } | null {
  try {
    if (OFFSET.test(text)) {
      const instant = Temporal.Instant.from(text).epochMilliseconds;
      return { instant, wall: wallOf(instant, zone) };
    }
    if (!LOCAL.test(text)) return null;
    const plain = Temporal.PlainDateTime.from(text, { overflow: 'reject' });
    const wall = plain.toZonedDateTime('UTC').epochMilliseconds;
    return { instant: instantOf(wall, zone), wall };
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

export function wallOf(instant: number, zone: string): number {
  return instant + offsetAt(instant, zone);
}

/** Of a time that comes twice the first; one that does not exist is moved on by as much as the clock is. */
export function instantOf(wall: number, zone: string): number {
  return plainOf(wall).toZonedDateTime(zone, { disambiguation: 'compatible' }).epochMilliseconds;
}

/** Whether the zone's clock leaves this time out, or shows it twice. */
export function oddity(wall: number, zone: string): 'missing' | 'twice' | null {
  const plain = plainOf(wall);
  const earlier = plain.toZonedDateTime(zone, { disambiguation: 'earlier' }).epochMilliseconds;
  const later = plain.toZonedDateTime(zone, { disambiguation: 'later' }).epochMilliseconds;
  if (earlier === later) return null;
  return wallOf(earlier, zone) === wall ? 'twice' : 'missing';
}

/** Milliseconds that the zone is ahead of UTC. */
export function offsetAt(instant: number, zone: string): number {
  return Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone).offsetNanoseconds / 1_000_000;
}

/** As `rrule-temporal` wants it. */
export function utc(time: number): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(time).toZonedDateTimeISO('UTC');
}

function plainOf(wall: number): Temporal.PlainDateTime {
  return utc(wall).toPlainDateTime();
}
