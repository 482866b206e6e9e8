export const WEEKDAYS = [
  { value: 'MO', label: 'Mon' },
  { value: 'TU', label: 'Tue' },
  { value: 'WE', label: 'Wed' },
  { value: 'TH', label: 'Thu' },
  { value: 'FR', label: 'Fri' },
  { value: 'SA', label: 'Sat' },
  { value: 'SU', label: 'Sun' },
] as const;

export type Repeat = 'none' | 'daily' | 'weekly' | 'custom';

/** When, as the form holds it: local times, to be read in the zone. */
export interface When {
  start: string;
  end: string;
  timezone: string;
  repeat: Repeat;
  weekdays: string[];
  rule: string;
  until: string;
  overlap: 'skip' | 'replace';
  missed: 'once' | 'skip';
}

/** What the API takes of it. */
export interface WhenBody {
  start: string;
  end?: string;
  timezone: string;
  recurrence?: string;
  until?: string;
}

export function whenBody(when: When): WhenBody {
  const recurrence = recurrenceOf(when);
  return {
    start: when.start,
    ...(when.end === '' ? {} : { end: when.end }),
    timezone: when.timezone,
    ...(recurrence === null ? {} : { recurrence }),
    ...(recurrence === null || when.until === '' ? {} : { until: when.until }),
  };
}

function recurrenceOf({ repeat, weekdays, rule }: When): string | null {
  switch (repeat) {
    case 'none':
      return null;
    case 'daily':
      return 'FREQ=DAILY';
    case 'weekly': {
      const days = WEEKDAYS.filter(({ value }) => weekdays.includes(value)).map(({ value }) => value);
      return `FREQ=WEEKLY;BYDAY=${days.join(',')}`;
    }
    case 'custom':
      return rule.trim();
  }
}

/** What is missing, by field. */
export function whenErrors(when: When): Record<string, string> {
  const errors: Record<string, string> = {};
  if (when.start === '') errors.start = 'Say when it starts';
  if (when.end !== '' && when.start !== '' && when.end <= when.start) errors.end = 'Expected a time after the start';
  if (when.repeat === 'weekly' && when.weekdays.length === 0) errors.recurrence = 'Choose at least one day';
  if (when.repeat === 'custom' && when.rule.trim() === '') errors.recurrence = 'Expected a rule';
  return errors;
}

/** The present or a later moment in a zone, as `<input type="datetime-local">` takes it: to the minute, in fives. */
export function localTime(at: number, timeZone: string): string {
  const five = 300_000;
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(Math.ceil(at / five) * five);
  const part = (type: string): string => parts.find((entry) => entry.type === type)?.value ?? '';
  return `${part('year')}-${part('month')}-${part('day')}T${part('hour')}:${part('minute')}`;
}

const FREQUENCIES: Record<string, string> = {
  DAILY: 'every day',
  HOURLY: 'every hour',
  WEEKLY: 'every week',
  MONTHLY: 'every month',
  YEARLY: 'every year',
};

/** A rule in words, where that is simple; otherwise as it is. */
export function recurrenceText(rule: string | null): string {
  if (rule === null) return 'once';
  const parts = new Map(
    rule
      .replace(/^RRULE:/, '')
      .split(';')
      .map((part) => part.split('=') as [string, string]),
  );
  const frequency = FREQUENCIES[parts.get('FREQ') ?? ''];
  const known = [...parts.keys()].every((key) => key === 'FREQ' || key === 'BYDAY');
  if (!frequency || !known) return rule;
  const days = parts.get('BYDAY')?.split(',');
  if (!days) return frequency;
  const labels = days.map((day) => WEEKDAYS.find(({ value }) => value === day)?.label);
  // The first Monday of a month is not every Monday.
  return labels.includes(undefined) ? rule : `every ${labels.join(', ')}`;
}
