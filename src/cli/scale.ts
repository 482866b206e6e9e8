import type { Command } from 'commander';
import { acceptedAnswer } from './answers.ts';
import { clientCommand, contextOf, wholeNumber } from './command.ts';

/** `avishkar scale`: how few and how many replicas. */
export function scaleCommand(): Command {
  const command = clientCommand('scale', 'Sets how many replicas an instance has, or between which bounds')
    .argument('<name>', 'an instance')
    .argument('[n]', 'exactly so many', wholeNumber)
    .option('--min <n>', 'no fewer', wholeNumber)
    .option('--max <n>', 'no more', wholeNumber);
  return command.action(
    async (
      name: string,
      n: number | undefined,
      options: { url?: string; json?: boolean; min?: number; max?: number },
    ) => {
      const { min, max } = options;
      const bounds = { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) };
      const bounded = Object.keys(bounds).length > 0;
      if ((n === undefined) === !bounded) {
        command.error(`error: expected either a number or --min and --max, as in: avishkar scale ${name} 2`);
      }
      const { client, out } = contextOf(options);
      const body = { instanceName: name, ...(n === undefined ? bounds : { replicas: n }) };
      const accepted = await client.post('/api/deployedApps/scale/', body, acceptedAnswer);
      if (out.json) return out.document(accepted);
      const from = [min === undefined ? '' : `at least ${min}`, max === undefined ? '' : `at most ${max}`];
      const wanted = n === undefined ? from.filter(Boolean).join(' and ') : String(n);
      const unit = (n ?? max ?? min) === 1 ? 'replica' : 'replicas';
      out.say(`${accepted.instanceName} gets ${wanted} ${unit}.`);
      out.hint(`See them with: npx avishkar ps ${accepted.instanceName}`);
    },
  );
}
