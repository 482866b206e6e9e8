import type { Command } from 'commander';
import type { z } from 'zod';
import { metricsAnswer } from './answers.ts';
import { clientCommand, contextOf } from './command.ts';
import { type Paint, sparkline, table, timeOfDay } from './format.ts';
import { percent } from './ps.ts';
import { instancePath } from './wait.ts';

type Metrics = z.infer<typeof metricsAnswer>;
type Point = Metrics['series'][number]['points'][number];

const WIDTH = 30;

/** `avishkar metrics`: what an instance's replicas used. */
export function metricsCommand(): Command {
  return clientCommand('metrics', 'Shows what the replicas of an instance used; by default in the last hour')
    .argument('<name>', 'an instance')
    .option('--from <time>', 'RFC 3339, such as 2026-11-22T08:00:00Z; default an hour before --to')
    .option('--to <time>', 'RFC 3339; default now')
    .action(async (name: string, options: { url?: string; json?: boolean; from?: string; to?: string }) => {
      const { client, out } = contextOf(options);
      const query = new URLSearchParams();
      if (options.from !== undefined) query.set('from', options.from);
      if (options.to !== undefined) query.set('to', options.to);
      const answer = await client.get(`${instancePath(name)}/metrics?${query}`, metricsAnswer);
      if (out.json) return out.document(answer);
      out.say(metricsTable(name, answer, out.paint));
    });
}

function metricsTable(name: string, { from, to, stepSeconds, series }: Metrics, paint: Paint): string {
  const span = `${timeOfDay(from)} to ${timeOfDay(to)}`;
  if (series.length === 0) return `Nothing is recorded of ${name} from ${span}; figures come every ${stepSeconds} s.`;
  const rows = series.map(({ replica, points }) => [
    replica,
    ...figures(points, 1, Date.parse(from), Date.parse(to)),
    ...figures(points, 2, Date.parse(from), Date.parse(to)),
  ]);
  const head = ['REPLICA', 'CPU', 'LAST', 'HIGHEST', 'MEMORY', 'LAST', 'HIGHEST'];
  return `${table(head, rows, paint)}${paint('dim', `${span}, in percent of the replica's limits`)}\n`;
}

function figures(points: readonly Point[], which: 1 | 2, from: number, to: number): string[] {
  const highest = Math.max(...points.map((point) => point[which]));
  const line = sparkline(
    points.map((point) => [point[0], point[which]]),
    { from, to, width: WIDTH, highest },
  );
  return [line, percent(points.at(-1)?.[which] ?? null), percent(highest)];
}
