import { partsOf } from '../lib/told.ts';
import { Moment } from './moment.tsx';

/** What the platform says of something, with moments as everywhere else. */
export function Told({ text }: { text: string }) {
  return partsOf(text).map((part, index) =>
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts of one text never change places
    typeof part === 'string' ? part : <Moment key={index} at={part} as="date" />,
  );
}
