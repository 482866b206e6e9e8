import type { Command } from 'commander';
import { AvkError } from '../domain/errors.ts';
import {
  previewAnswer,
  removedAnswer,
  type Schedule,
  scheduleAnswer,
  scheduledAnswer,
  schedulesAnswer,
  type Window,
} from './answers.ts';
import { clock } from './clock.ts';
import { type Context, clientCommand, contextOf, wholeNumber } from './command.ts';
import { pick, settingsFor } from './deploy.ts';
import { printable, table } from './format.ts';
import { collectSetting } from './settings.ts';
import { ownZone, relative, timeIn } from './times.ts';

interface Options {
  url?: string;
  json?: boolean;
  start: string;
  end?: string;
  timezone?: string;
  repeat?: string;
  until?: string;
  overlap?: string;
  missed?: string;
  version?: string;
  name?: string;
  set?: Map<string, string>;
  min?: number;
  max?: number;
  dryRun?: boolean;
}

/** `avishkar schedule APP`, and `list`, `pause`, `resume`, `rm` of what was made by it. */
export function scheduleCommand(): Command {
  const command = clientCommand('schedule', 'Deploys an instance of an app at set times')
    .usage('<app> --start <time> [options], or one of the commands below')
    .addHelpText('after', '\nAll options of a schedule: avishkar schedule add --help')
    .enablePositionalOptions();
  command.addCommand(addCommand(), { isDefault: true });
  command.addCommand(listCommand());
  command.addCommand(pauseCommand('pause', 'Lets a schedule start nothing until it is resumed', true));
  command.addCommand(pauseCommand('resume', 'Lets a paused schedule go on', false));
  command.addCommand(removeCommand());
  return command;
}

function addCommand(): Command {
  return clientCommand('add', 'Schedules an app (the word add may be left out)')
    .argument('<app>', 'the name of an uploaded app')
    .requiredOption('--start <time>', 'when: 2026-11-22T08:00 in the zone, with an offset (RFC 3339), or +10m from now')
    .option('--end <time>', 'until when, or how long: +8h; default: until it is stopped')
    .option('--timezone <zone>', 'IANA name of the zone of these times (default: this machine’s)')
    .option(
      '--repeat <rule>',
      'FREQ=WEEKLY;BYDAY=MO (RFC 5545) or cron: "0 8 * * 1-5"; start and end are the first time',
    )
    .option('--until <time>', 'with --repeat: nothing starts later')
    .option('--overlap <how>', 'when the one before still runs: skip (default) or replace')
    .option('--missed <how>', 'when the platform was stopped at the start: once (default: start late) or skip')
    .option('--version <version>', 'which version (default: the newest at each start)')
    .option('--name <instance>', 'what to call the instance (default: APP-1, or the next free number)')
    .option('--set <KEY=VALUE>', 'a setting of the app; may be repeated', collectSetting)
    .option('--min <n>', 'fewest replicas', wholeNumber)
    .option('--max <n>', 'most replicas', wholeNumber)
    .option('--dry-run', 'show when it would run, and save nothing')
    .action((app: string, _options: Options, self: Command) => add(app, self.optsWithGlobals<Options>()));
}

async function add(app: string, options: Options): Promise<void> {
  const context = contextOf(options);
  const { client, out } = context;
  const timezone = options.timezone ?? ownZone();
  const start = relative(options.start, clock.now()) ?? options.start;
  const times = {
    start,
    timezone,
    ...pick('recurrence', options.repeat),
    ...pick('until', options.until),
    ...pick('overlap', options.overlap),
    ...pick('missed', options.missed),
  };
  const end = options.end === undefined ? undefined : await endOf(context, options.end, { start, timezone });
  const whole = { ...times, ...pick('end', end) };
  const preview = await client.post('/api/schedules/preview/', whole, previewAnswer);
  if (options.dryRun) {
    if (out.json) return out.document(preview);
    return showTimes(context, preview, timezone);
  }
  const config = options.set && (await settingsFor(client, app, options.version, options.set));
  const scale = { ...pick('min', options.min), ...pick('max', options.max) };
  const body = {
    appName: app,
    ...pick('version', options.version),
    ...pick('instanceName', options.name),
    ...pick('config', config),
    ...(Object.keys(scale).length > 0 ? { scale } : {}),
    ...whole,
  };
  const made = await client.post('/api/deployedApps/scheduleApp/', body, scheduledAnswer);
  if (out.json) return out.document(made);
  out.say(`${made.instanceName} is scheduled (${made.scheduleId}).`);
  showTimes(context, made, timezone);
  out.hint(`Delete the schedule with: npx avishkar schedule rm ${made.scheduleId}`);
}

/** `+8h` counts from the start, which only the platform can place when it is local time. */
async function endOf({ client }: Context, end: string, times: { start: string; timezone: string }): Promise<string> {
  if (!end.startsWith('+')) return end;
  const { start } = await client.post('/api/schedules/preview/', times, previewAnswer).then(({ next }) => ({
    start: next[0]?.start ?? times.start,
  }));
  const found = relative(end, Date.parse(start));
  if (found !== null) return found;
  throw new AvkError(
    'AVK_UNACCEPTABLE',
    `--end: expected a time, or a span such as +90s, +30m, +8h or +2d, got ${end}`,
  );
}

function showTimes({ out }: Context, { next, notes }: { next: Window[]; notes: string[] }, timezone: string): void {
  const rows = next.map(({ start, end }) => [
    timeIn(start, timezone),
    end === null ? 'until it is stopped' : timeIn(end, timezone),
  ]);
  out.say(table(['STARTS', 'ENDS'], rows, out.paint));
  for (const note of notes) out.say(`Note: ${printable(note, false)}`);
  out.say(`Times are in ${timezone}.`);
}

function listCommand(): Command {
  return clientCommand('list', 'Lists the schedules')
    .option('--all', 'ended ones, too')
    .action(async (_options: object, self: Command) => {
      const options = self.optsWithGlobals<{ url?: string; json?: boolean; all?: boolean }>();
      const { client, out } = contextOf(options);
      const { schedules } = await client.get('/api/schedules/', schedulesAnswer);
      const shown = schedules.filter(({ state }) => options.all || state !== 'ended');
      if (out.json) return out.document({ schedules: shown });
      if (shown.length === 0) out.say('Nothing is scheduled. Schedule an app: npx avishkar schedule APP --start TIME');
      else out.say(table(['ID', 'NAME', 'APP', 'STATE', 'NEXT', 'REPEAT', 'LAST'], shown.map(rowOf), out.paint));
      const hidden = schedules.length - shown.length;
      if (hidden > 0) out.hint(`${hidden} ended; see them with --all.`);
    });
}

function rowOf(schedule: Schedule): string[] {
  const { scheduleId, instanceName, appName, version, state, next, timezone, recurrence, lastOutcome } = schedule;
  const [first] = next;
  const when = first ? `${timeIn(first.start, timezone)} ${timezone}` : '-';
  const app = version === null ? appName : `${appName} ${version}`;
  const last = printable(lastOutcome?.text ?? '-', false);
  return [scheduleId, instanceName, app, state, when, recurrence ?? 'once', last];
}

function pauseCommand(name: string, description: string, paused: boolean): Command {
  return clientCommand(name, description)
    .argument('<id>', 'a schedule, as list shows it')
    .action(async (id: string, _options: object, self: Command) => {
      const { client, out } = contextOf(self.optsWithGlobals());
      const schedule = await client.patch(pathOf(id), { paused }, scheduleAnswer);
      if (out.json) return out.document(schedule);
      const { instanceName, state, next, timezone } = schedule;
      const [first] = next;
      if (!paused)
        out.say(`${instanceName} goes on${first ? `, next on ${timeIn(first.start, timezone)} ${timezone}` : ''}.`);
      else if (state === 'active') out.say(`${instanceName} runs to its end, and is not started again.`);
      else out.say(`${instanceName} is paused.`);
    });
}

function removeCommand(): Command {
  return clientCommand('rm', 'Deletes a schedule; what it started runs on')
    .argument('<id>', 'a schedule, as list shows it')
    .option('--stop', 'stop what it started')
    .action(async (id: string, _options: object, self: Command) => {
      const options = self.optsWithGlobals<{ url?: string; json?: boolean; stop?: boolean }>();
      const { client, out } = contextOf(options);
      const answer = await client.delete(`${pathOf(id)}${options.stop ? '?stop=true' : ''}`, removedAnswer);
      if (out.json) return out.document(answer);
      out.say(`The schedule is deleted: ${answer.detail}.`);
    });
}

function pathOf(id: string): string {
  return `/api/schedules/${encodeURIComponent(id)}`;
}
