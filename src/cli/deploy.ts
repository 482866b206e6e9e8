import type { Command } from 'commander';
import { AvkError } from '../domain/errors.ts';
import { acceptedAnswer, appsAnswer, type Instance, timelineAnswer } from './answers.ts';
import type { Client } from './client.ts';
import { type Context, clientCommand, contextOf, interrupted, wholeNumber } from './command.ts';
import { printable } from './format.ts';
import { collectSetting, typedSettings } from './settings.ts';
import { instancePath, waitUntil } from './wait.ts';

interface Options {
  url?: string;
  json?: boolean;
  version?: string;
  name?: string;
  set?: Map<string, string>;
  min?: number;
  max?: number;
  wait?: boolean;
}

const SETTLED = new Set(['running', 'degraded', 'failed', 'stopped', 'cancelled']);

/** `avishkar deploy`: starts an instance and tells of each step until it serves. */
export function deployCommand(): Command {
  return clientCommand('deploy', 'Deploys an instance of an app, and waits until it serves')
    .argument('<app>', 'the name of an uploaded app')
    .option('--version <version>', 'which version (default: the newest)')
    .option('--name <instance>', 'what to call the instance (default: APP-1, or the next free number)')
    .option('--set <KEY=VALUE>', 'a setting of the app; may be repeated', collectSetting)
    .option('--min <n>', 'fewest replicas', wholeNumber)
    .option('--max <n>', 'most replicas', wholeNumber)
    .option('--wait', 'wait until it serves, which is the default')
    .option('--no-wait', 'return at once')
    .action(async (app: string, options: Options) => {
      await deploy(contextOf(options), app, options);
    });
}

async function deploy(context: Context, app: string, options: Options): Promise<void> {
  const { client, out } = context;
  const config = options.set && (await settingsFor(client, app, options.version, options.set));
  const scale = { ...pick('min', options.min), ...pick('max', options.max) };
  const body = {
    appName: app,
    ...pick('version', options.version),
    ...pick('instanceName', options.name),
    ...pick('config', config),
    ...(Object.keys(scale).length > 0 ? { scale } : {}),
  };
  const accepted = await client.post('/api/deployedApps/deployApp/', body, acceptedAnswer);
  const { instanceName: name } = accepted;
  if (options.wait === false) {
    if (out.json) out.document(accepted);
    out.say(`${name} is ${accepted.state}.`);
    out.hint(`See how it goes with: npx avishkar ps; follow it with: npx avishkar events ${name} -f`);
    return;
  }
  const instance = await waitUntil(client, name, ({ state }) => SETTLED.has(state), {
    signal: interrupted(),
    look: out.json ? async () => undefined : stepTeller(context),
  });
  if (out.json) out.document(instance);
  if (instance.state === 'running') {
    out.say(`${name} is served at ${instance.endpoint}`);
    return;
  }
  process.exitCode = 1;
  tellFailure(context, instance);
}

/** Prints each new line of the timeline once, with the time since the deployment was asked for. */
function stepTeller({ client, out }: Context): (instance: Instance) => Promise<void> {
  let told = -1;
  return async (instance) => {
    const began = Date.parse(instance.createdAt);
    const { events } = await client.get(`${instancePath(instance.instanceName)}/events?tail=1000`, timelineAnswer);
    // Earlier ones are of an earlier instance of this name.
    const ours = events.filter(({ ts }) => Date.parse(ts) >= began);
    for (const { ts, kind, text } of ours.slice(told + 1)) {
      const elapsed = `${((Date.parse(ts) - began) / 1000).toFixed(1)} s`;
      out.say(`${out.paint('dim', elapsed.padStart(8))}  ${kind.padEnd(10)} ${printable(text, false)}`);
      told += 1;
    }
  };
}

function tellFailure({ out }: Context, instance: Instance): void {
  const { instanceName: name, state, reason, lastLogLines } = instance;
  const text = `${name} ${state === 'failed' ? 'failed' : `is ${state}`}${reason ? `: ${reason}` : ''}`;
  if (out.json) return;
  process.stderr.write(`avishkar: ${text}\n`);
  for (const line of lastLogLines ?? []) process.stderr.write(`  | ${printable(line, false)}\n`);
  if (state === 'failed')
    out.hint(`What it went through: npx avishkar events ${name}; its build: npx avishkar logs ${name} --build`);
}

/** Settings from the command line, with the types that the app's version gives them. */
export async function settingsFor(
  client: Client,
  app: string,
  version: string | undefined,
  given: ReadonlyMap<string, string>,
): Promise<Record<string, unknown>> {
  const { apps } = await client.get('/api/baseApp/getapps/', appsAnswer);
  const found = apps.find(({ name }) => name.toLowerCase() === app.toLowerCase());
  if (!found) {
    const known = apps.map(({ name }) => name).join(', ');
    throw new AvkError('AVK_NOT_FOUND', `there is no app ${app}; ${known ? `there is ${known}` : 'upload it first'}`);
  }
  const chosen = version === undefined ? found.versions[0] : found.versions.find((one) => one.version === version);
  // Without a manifest the platform says what is wrong with the version.
  return typedSettings(given, chosen?.manifest.config ?? []);
}

export function pick<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}
