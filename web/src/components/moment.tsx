import { Tooltip } from '@mantine/core';
import { useSyncExternalStore } from 'react';
import { dateTime, dayTime, HERE, longDateTime, relative, timeOfDay } from '../lib/format.ts';

const exact = (at: number, timeZone: string): string => dateTime(at, timeZone, true);
const FORMATS = { date: dateTime, exact, day: dayTime, time: timeOfDay };

const TICK_MS = 10_000;
let now = Date.now();
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

/** One clock for all that is shown as "3 minutes ago". */
function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

interface Props {
  /** RFC 3339 or epoch in ms. */
  at: string | number | null | undefined;
  /** `ago`: relative to now. */
  as?: 'ago' | 'date' | 'exact' | 'day' | 'time';
  timeZone?: string;
  never?: string;
}

/** A time in the reader's zone, with the whole of it and the zone in its tooltip. */
export function Moment({ at, as = 'ago', timeZone = HERE, never = 'never' }: Props) {
  const current = useSyncExternalStore(subscribe, () => now);
  const time = typeof at === 'number' ? at : Date.parse(at ?? '');
  if (Number.isNaN(time)) return <>{never}</>;
  return (
    <Tooltip label={longDateTime(time, timeZone)}>
      <time dateTime={new Date(time).toISOString()}>
        {as === 'ago' ? relative(time, Math.max(current, Math.min(time, Date.now()))) : FORMATS[as](time, timeZone)}
      </time>
    </Tooltip>
  );
}
