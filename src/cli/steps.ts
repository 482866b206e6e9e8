import { type Instance, timelineAnswer } from './answers.ts';
import type { Context } from './command.ts';
import { printable } from './format.ts';
import { instancePath } from './wait.ts';

/** Prints each new line of the timeline once, with the time since `began`; earlier lines are another story. */
export function stepTeller({ client, out }: Context, began: (instance: Instance) => number) {
  let told = 0;
  return async (instance: Instance): Promise<void> => {
    const from = began(instance);
    const { events } = await client.get(`${instancePath(instance.instanceName)}/events?tail=1000`, timelineAnswer);
    const ours = events.filter(({ ts }) => Date.parse(ts) >= from);
    for (const { ts, kind, text } of ours.slice(told)) {
      const elapsed = `${((Date.parse(ts) - from) / 1000).toFixed(1)} s`;
      out.say(`${out.paint('dim', elapsed.padStart(8))}  ${kind.padEnd(12)} ${printable(text, false)}`);
      told += 1;
    }
  };
}
