const UNITS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `+10m` from then on, as RFC 3339; null when it is no such span. */
export function relative(text: string, from: number): string | null {
  const [, count, unit = ''] = /^\+(\d{1,6})([smhd])$/.exec(text) ?? [];
  const size = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
  return count === undefined || size === undefined ? null : new Date(from + Number(count) * size).toISOString();
}

/** IANA name of this machine's zone. */
export function ownZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

/** `Mon 2026-11-23 08:00`, seconds where there are some. */
export function timeIn(iso: string, zone: string): string {
  const date = new Date(iso);
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    weekday: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  const parts = new Map(format.formatToParts(date).map(({ type, value }) => [type, value]));
  const get = (type: Intl.DateTimeFormatPartTypes): string => parts.get(type) ?? '';
  const seconds = get('second') === '00' ? '' : `:${get('second')}`;
  return `${get('weekday')} ${get('year')}-${get('month')}-${get('day')} ${get('hour')}:${get('minute')}${seconds}`;
}
