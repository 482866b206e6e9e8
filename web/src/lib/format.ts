const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
];

const relativeFormat = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

/** `3 minutes ago`, `in 2 hours`. */
export function relative(at: number, now: number): string {
  const difference = at - now;
  for (const [unit, size] of UNITS) {
    if (Math.abs(difference) >= size) return relativeFormat.format(Math.round(difference / size), unit);
  }
  return 'now';
}

export const HERE = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';

/** Day and time in a zone; without the year while it is this one. */
export function dateTime(at: number, timeZone = HERE, seconds = false): string {
  const thisYear = new Date(at).getFullYear() === new Date().getFullYear();
  return new Intl.DateTimeFormat(undefined, {
    timeZone,
    day: 'numeric',
    month: 'short',
    ...(thisYear ? {} : { year: 'numeric' }),
    hour: '2-digit',
    minute: '2-digit',
    ...(seconds ? { second: '2-digit' } : {}),
  }).format(at);
}

/** With the day of the week: for what is to come. */
export function dayTime(at: number, timeZone: string): string {
  const weekday = new Intl.DateTimeFormat(undefined, { timeZone, weekday: 'short' }).format(at);
  return `${weekday}, ${dateTime(at, timeZone)}`;
}

export function isSameDay(a: number, b: number, timeZone: string): boolean {
  const day = new Intl.DateTimeFormat('en-CA', { timeZone });
  return day.format(a) === day.format(b);
}

export function timeOfDay(at: number, timeZone: string): string {
  return new Intl.DateTimeFormat(undefined, { timeZone, hour: '2-digit', minute: '2-digit' }).format(at);
}

export function clockTime(at: number): string {
  return new Intl.DateTimeFormat(undefined, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).format(at);
}

/** As `Sunday, 22 November 2026 at 08:00:00 CET (Europe/Berlin)`: for tooltips. */
export function longDateTime(at: number, timeZone = HERE): string {
  const text = new Intl.DateTimeFormat(undefined, {
    timeZone,
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
  }).format(at);
  return `${text} (${timeZone})`;
}

export function bytes(count: number): string {
  if (count < 1000) return `${count} bytes`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = count / 1000;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function percent(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : `${Math.round(value)}\u00a0%`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** `NAME_instance_2` beside its instance's name is number 2. */
export function shortName(replica: string, instance: string): string {
  return replica.startsWith(`${instance}_instance_`) ? `#${replica.slice(instance.length + 10)}` : replica;
}

/** `node-manager` as people read it. */
export function title(name: string): string {
  const text = name.replaceAll('-', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}
