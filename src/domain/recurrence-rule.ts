/** The parts of a rule of RFC 5545, with what each may hold. */
const PARTS: Record<string, { expected: string; fits: (value: string) => boolean }> = {
  FREQ: {
    expected: 'MINUTELY, HOURLY, DAILY, WEEKLY, MONTHLY or YEARLY',
    fits: (value) => ['SECONDLY', 'MINUTELY', 'HOURLY', 'DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY'].includes(value),
  },
  INTERVAL: { expected: 'a whole number from 1 on', fits: (value) => whole(value, 1, 100_000) },
  COUNT: { expected: 'a whole number from 1 on', fits: (value) => whole(value, 1, 1_000_000) },
  UNTIL: { expected: 'a date such as 20271231 or 20271231T230000Z', fits: (value) => /^\d{8}(T\d{6}Z?)?$/.test(value) },
  BYSECOND: { expected: 'seconds from 0 to 59', fits: each((value) => whole(value, 0, 59)) },
  BYMINUTE: { expected: 'minutes from 0 to 59', fits: each((value) => whole(value, 0, 59)) },
  BYHOUR: { expected: 'hours from 0 to 23', fits: each((value) => whole(value, 0, 23)) },
  BYDAY: {
    expected: 'weekdays such as MO,WE or 1MO or -1FR',
    fits: each((value) => /^([+-]?[1-9]\d?)?(MO|TU|WE|TH|FR|SA|SU)$/.test(value)),
  },
  BYMONTHDAY: { expected: 'days from 1 to 31 or -31 to -1', fits: each((value) => fromEitherEnd(value, 31)) },
  BYYEARDAY: { expected: 'days from 1 to 366 or -366 to -1', fits: each((value) => fromEitherEnd(value, 366)) },
  BYWEEKNO: { expected: 'weeks from 1 to 53 or -53 to -1', fits: each((value) => fromEitherEnd(value, 53)) },
  BYMONTH: { expected: 'months from 1 to 12', fits: each((value) => whole(value, 1, 12)) },
  BYSETPOS: { expected: 'positions from 1 to 366 or -366 to -1', fits: each((value) => fromEitherEnd(value, 366)) },
  WKST: { expected: 'a weekday such as MO', fits: (value) => /^(MO|TU|WE|TH|FR|SA|SU)$/.test(value) },
};

export interface Rule {
  /** False for a plain rhythm of hours or minutes, which is time that passes. */
  byWall: boolean;
  until: string | null;
  /** The rule as the library gets it: `until` is kept by the schedule, in its own zone. */
  withoutUntil: string;
}

/** Takes a rule apart. @throws Error that names the part and what was expected */
export function parseRule(text: string): Rule {
  const body = text
    .trim()
    .replace(/^RRULE:/i, '')
    .toUpperCase();
  const values = new Map<string, string>();
  for (const part of body.split(';').filter((one) => one !== '')) {
    const cut = part.indexOf('=');
    const name = cut < 0 ? part : part.slice(0, cut);
    const value = cut < 0 ? '' : part.slice(cut + 1);
    const known = Object.hasOwn(PARTS, name) ? PARTS[name] : undefined;
    if (!known) throw new Error(`${name.slice(0, 40)} is no part of a rule; expected ${Object.keys(PARTS).join(', ')}`);
    if (values.has(name)) throw new Error(`${name} stands there twice`);
    if (!known.fits(value))
      throw new Error(`${name}: expected ${known.expected}, got ${value.slice(0, 40) || 'nothing'}`);
    values.set(name, value);
  }
  const frequency = values.get('FREQ');
  if (frequency === undefined) throw new Error('expected FREQ, as in FREQ=WEEKLY;BYDAY=MO');
  if (values.has('COUNT') && values.has('UNTIL')) throw new Error('expected either COUNT or UNTIL');
  const until = values.get('UNTIL') ?? null;
  values.delete('UNTIL');
  const byWall =
    !['HOURLY', 'MINUTELY', 'SECONDLY'].includes(frequency) || [...values.keys()].some((name) => name.startsWith('BY'));
  return { byWall, until, withoutUntil: [...values].map(([name, value]) => `${name}=${value}`).join(';') };
}

/** `20271231T230000Z` as `2027-12-31T23:00:00Z`; a bare date is the whole day. */
export function untilTime(until: string): string {
  const [, year, month, day, hour, minute, second, zulu] =
    /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?$/.exec(until) ?? [];
  const date = `${year}-${month}-${day}`;
  return hour === undefined ? `${date}T23:59:59` : `${date}T${hour}:${minute}:${second}${zulu}`;
}

function each(fits: (value: string) => boolean): (list: string) => boolean {
  return (list) => list.split(',').every(fits);
}

function whole(value: string, least: number, most: number): boolean {
  return /^\+?\d{1,7}$/.test(value) && Number(value) >= least && Number(value) <= most;
}

function fromEitherEnd(value: string, most: number): boolean {
  return whole(value.replace(/^-/, ''), 1, most);
}
