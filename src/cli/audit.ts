import type { Command } from 'commander';
import { auditAnswer } from './answers.ts';
import { clientCommand, contextOf, wholeNumber } from './command.ts';
import { printable, table } from './format.ts';

/** `avishkar audit`: who changed what, for administrators. */
export function auditCommand(): Command {
  return clientCommand('audit', 'Lists who changed what, newest first')
    .option('--limit <n>', 'how many entries, at most 1000', wholeNumber, 50)
    .option('--before <id>', 'only entries older than this one', wholeNumber)
    .action(async (options: { url?: string; json?: boolean; limit: number; before?: number }) => {
      const { client, out } = contextOf(options);
      const before = options.before === undefined ? '' : `&before=${options.before}`;
      const answer = await client.get(`/api/audit/?limit=${options.limit}${before}`, auditAnswer);
      if (out.json) return out.document(answer);
      const rows = answer.entries.map((entry) => [
        String(entry.id),
        new Date(entry.at).toLocaleString(),
        printable(entry.actor, false),
        out.paint(entry.status < 400 ? 'green' : 'red', String(entry.status)),
        printable(entry.target ?? '', false),
        entry.from,
        `${entry.method} ${printable(entry.path, false)}`,
      ]);
      out.say(table(['ID', 'AT', 'WHO', 'STATUS', 'ABOUT', 'FROM', 'CALL'], rows, out.paint));
    });
}
