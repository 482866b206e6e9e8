import type { Command } from 'commander';
import { liveEvent, timelineAnswer } from './answers.ts';
import { type Context, clientCommand, contextOf, interrupted, wholeNumber } from './command.ts';
import { follow } from './follow.ts';
import { type Paint, printable, timeOfDay } from './format.ts';
import { instancePath } from './wait.ts';

interface Options {
  url?: string;
  json?: boolean;
  follow?: boolean;
  tail: number;
}
interface Entry {
  ts: string;
  instance: string;
  kind: string;
  text: string;
}

/** `avishkar events`: an instance's timeline, or all news as they come. */
export function eventsCommand(): Command {
  return clientCommand('events', "Shows what happened to an instance; without a name, everybody's news as they come")
    .argument('[name]', 'an instance')
    .option('-f, --follow', 'go on as more happens')
    .option('--tail <n>', 'how many of the last ones', wholeNumber, 100)
    .action(async (name: string | undefined, options: Options) => {
      const context = contextOf(options);
      if (name === undefined || options.follow) return followEvents(context, name, options);
      const { client, out } = context;
      const answer = await client.get(timelinePath(name, options.tail), timelineAnswer);
      if (out.json) return out.document(answer);
      for (const entry of answer.events) out.say(formatEntry({ ...entry, instance: name }, false, out.paint));
    });
}

async function followEvents({ client, out }: Context, name: string | undefined, options: Options): Promise<void> {
  /** Of the instance's own timeline; news that it has already are not told twice. */
  const told = new Set<string>();
  const tell = (entry: Entry): void => {
    const key = `${entry.ts} ${entry.kind} ${entry.text}`;
    if (name !== undefined && told.has(key)) return;
    if (name !== undefined) told.add(key);
    if (out.json) out.document(entry, 'compact');
    else out.say(formatEntry(entry, name === undefined, out.paint));
  };
  const news = follow(client, {
    signal: interrupted(),
    path: async () => '/api/events/stream',
    // Read once the live stream is open, so that nothing falls between the two; again after a break.
    async opened() {
      if (name === undefined) return out.hint('Waiting for news; Ctrl-C ends it.');
      const { events } = await client.get(timelinePath(name, options.tail), timelineAnswer);
      for (const { ts, kind, text } of events) tell({ ts, instance: name, kind, text });
    },
    lost: (why) => out.hint(`${why}; trying again …`),
  });
  for await (const { event, data } of news) {
    if (event !== 'instance') continue;
    const { at, instance, kind, text } = liveEvent.parse(JSON.parse(data));
    if (name !== undefined && instance.toLowerCase() !== name.toLowerCase()) continue;
    tell({ ts: at, instance: name ?? instance, kind, text });
  }
}

function timelinePath(name: string, tail: number): string {
  return `${instancePath(name)}/events?tail=${tail}`;
}

function formatEntry({ ts, instance, kind, text }: Entry, named: boolean, paint: Paint): string {
  const who = named ? `${instance}  ` : '';
  return `${paint('dim', timeOfDay(ts))}  ${who}${kind.padEnd(10)} ${printable(text, false)}`;
}
