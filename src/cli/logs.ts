import type { Command } from 'commander';
import { AvkError } from '../domain/errors.ts';
import { instanceAnswer, type LogLine, linesAnswer, logLine } from './answers.ts';
import { type Context, clientCommand, contextOf, interrupted, wholeNumber } from './command.ts';
import { follow } from './follow.ts';
import { printable, timeOfDay } from './format.ts';
import type { ServerEvent } from './sse.ts';
import { instancePath } from './wait.ts';

interface Options {
  url?: string;
  json?: boolean;
  follow?: boolean;
  tail: number;
  replica?: string;
  build?: boolean;
}

/** So many lines are asked for again after a break, to find those that were missed. */
const CATCH_UP = 1000;
const OVER = ['stopped', 'failed', 'cancelled'];

/** `avishkar logs`: what an instance printed. */
export function logsCommand(): Command {
  return clientCommand('logs', 'Shows what an instance printed')
    .argument('<name>', 'an instance')
    .option('-f, --follow', 'go on as it prints more')
    .option('--tail <n>', 'how many of the last lines', wholeNumber, 100)
    .option('--replica <name>', 'of one replica only')
    .option('--build', 'what its newest build printed')
    .action(async (name: string, options: Options) => {
      const context = contextOf(options);
      await (options.follow ? followLogs(context, name, options) : showLogs(context, name, options));
    });
}

async function showLogs({ client, out }: Context, name: string, options: Options): Promise<void> {
  const answer = await client.get(logsPath(name, options, options.tail, false), linesAnswer);
  if (out.json) return out.document(answer);
  for (const line of answer.lines) out.say(formatLine(line, options, out.watched));
  if (answer.lines.length === 0)
    out.hint(`${name} has printed nothing${options.build ? ' while it was built' : ' yet'}.`);
}

async function followLogs({ client, out }: Context, name: string, options: Options): Promise<void> {
  const seen = createSeen();
  let connections = 0;
  const events = follow(client, {
    signal: interrupted(),
    async path() {
      connections += 1;
      // The stream ends with the build, or with the last replica: whether more is to come depends on the instance.
      if (connections > 1) {
        const { state } = await client.get(instancePath(name), instanceAnswer);
        if (options.build || OVER.includes(state)) return null;
      }
      return logsPath(name, options, connections === 1 ? options.tail : CATCH_UP, true);
    },
    opened: () => seen.connected(),
    lost: (why) => out.hint(`${why}; trying again …`),
  });
  for await (const event of events) {
    const line = readLine(event);
    if (!seen.isNew(line)) continue;
    if (out.json) out.document(line, 'compact');
    else out.say(formatLine(line, options, out.watched));
  }
}

function readLine({ event, data }: ServerEvent): LogLine {
  const value: unknown = JSON.parse(data);
  if (event === 'problem') {
    const detail = (value as { detail?: unknown } | null)?.detail;
    throw new AvkError('AVK_SERVICE_UNAVAILABLE', typeof detail === 'string' ? detail : 'the log broke off');
  }
  return logLine.parse(value);
}

/** Which lines were shown before a break: per replica the time of the last one, and how many had that time. */
export function createSeen() {
  const last = new Map<string, { ts: string; count: number }>();
  let again = new Map<string, { ts: string; count: number }>();
  return {
    /** A new connection repeats some of what was shown. */
    connected(): void {
      again = new Map([...last].map(([replica, at]) => [replica, { ...at }]));
    },
    isNew({ replica, stream, ts }: Pick<LogLine, 'replica' | 'stream' | 'ts'>): boolean {
      const key = `${replica} ${stream}`;
      const repeated = again.get(key);
      if (repeated && (ts < repeated.ts || (ts === repeated.ts && repeated.count > 0))) {
        if (ts === repeated.ts) repeated.count -= 1;
        return false;
      }
      const before = last.get(key);
      last.set(key, { ts, count: before?.ts === ts ? before.count + 1 : 1 });
      return true;
    },
  };
}

function logsPath(name: string, options: Options, tail: number, live: boolean): string {
  const query = new URLSearchParams({ tail: String(tail), follow: String(live) });
  if (options.replica) query.set('replica', options.replica);
  if (options.build) query.set('build', 'true');
  return `${instancePath(name)}/logs?${query}`;
}

/** `14:03:09 instance_2 | text`; what all of them begin with, the instance's name, is left off. */
function formatLine({ ts, replica, stream, line }: LogLine, options: Options, colours: boolean): string {
  const from = stream === 'build' ? 'build' : replica.replace(/^.*_(?=instance_\d+$)/, '');
  const head = options.replica ? '' : ` ${from} |`;
  return `${timeOfDay(ts)}${head} ${printable(line, colours)}`;
}
