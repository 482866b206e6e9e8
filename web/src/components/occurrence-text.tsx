import type { Occurrence } from '../api/types.ts';
import { HERE, isSameDay } from '../lib/format.ts';
import { Moment } from './moment.tsx';

/** From when to when; the day is said once if it is the same. */
export function OccurrenceText({ of: { start, end }, timeZone = HERE }: { of: Occurrence; timeZone?: string }) {
  return (
    <>
      <Moment at={start} as="day" timeZone={timeZone} />
      {end && (
        <>
          {' '}
          to{' '}
          <Moment
            at={end}
            as={isSameDay(Date.parse(start), Date.parse(end), timeZone) ? 'time' : 'day'}
            timeZone={timeZone}
          />
        </>
      )}
    </>
  );
}
