import type { Command } from 'commander';
import { acceptedAnswer, type Instance, instanceAnswer, timelineAnswer } from './answers.ts';
import { type Context, clientCommand, contextOf, interrupted } from './command.ts';
import { printable } from './format.ts';
import { collectSetting, settingsFor } from './settings.ts';
import { stepTeller } from './steps.ts';
import { instancePath, waitUntil } from './wait.ts';

interface Options {
  url?: string;
  json?: boolean;
  wait: boolean;
  set?: Map<string, string>;
}

/** `avishkar upgrade`: another version of an app behind the same address. */
export function upgradeCommand(): Command {
  return clientCommand('upgrade', 'Brings an instance to another version, and waits until it serves')
    .argument('<name>', 'an instance')
    .argument('<version>', 'an uploaded version of its app')
    .option('--set <KEY=VALUE>', 'a setting that is to change; may be repeated', collectSetting)
    .option('--no-wait', 'return at once')
    .action(async (name: string, version: string, options: Options) => {
      const context = contextOf(options);
      const config = options.set && (await settingsOf(context, name, version, options.set));
      await roll(context, 'upgrade', { instanceName: name, version, ...(config ? { config } : {}) }, options);
    });
}

/** `avishkar rollback`: back to what ran before. */
export function rollbackCommand(): Command {
  return clientCommand('rollback', 'Brings an instance back to the version that ran before, or to the one named')
    .argument('<name>', 'an instance')
    .argument('[version]', 'which version (default: the one that ran before)')
    .option('--no-wait', 'return at once')
    .action((name: string, version: string | undefined, options: Options) =>
      roll(contextOf(options), 'rollback', { instanceName: name, ...(version ? { version } : {}) }, options),
    );
}

/** `avishkar restart`: the same version in new replicas. */
export function restartCommand(): Command {
  return clientCommand('restart', 'Replaces the replicas of an instance one by one by new ones')
    .argument('<name>', 'an instance')
    .option('--no-wait', 'return at once')
    .action((name: string, options: Options) => roll(contextOf(options), 'restart', { instanceName: name }, options));
}

async function roll(
  context: Context,
  verb: 'upgrade' | 'rollback' | 'restart',
  body: { instanceName: string; version?: string; config?: Record<string, unknown> },
  options: Options,
): Promise<void> {
  const { client, out } = context;
  const { events } = await client.get(`${instancePath(body.instanceName)}/events?tail=1`, timelineAnswer);
  // By the platform's clock: what comes after its last line.
  const began = Date.parse(events.at(-1)?.ts ?? '') + 1 || 0;
  const accepted = await client.post(`/api/deployedApps/${verb}/`, body, acceptedAnswer);
  const { instanceName: name } = accepted;
  if (!options.wait) {
    if (out.json) out.document(accepted);
    out.say(`${name} is ${accepted.state}; the ${verb} is under way.`);
    out.hint(`See how it goes with: npx avishkar ps ${name}; follow it with: npx avishkar events ${name} -f`);
    return;
  }
  const over = ({ state, rollout }: Instance): boolean =>
    rollout?.state !== 'under way' || !['running', 'degraded'].includes(state);
  const instance = await waitUntil(client, name, over, {
    signal: interrupted(),
    look: out.json ? async () => undefined : stepTeller(context, () => began),
  });
  if (out.json) out.document(instance);
  tellEnd(context, verb, instance);
}

function tellEnd({ out }: Context, verb: string, { instanceName, state, version, endpoint, rollout }: Instance): void {
  if (rollout?.state !== 'rolled back' && ['running', 'degraded'].includes(state)) {
    out.say(`${instanceName} runs ${version} at ${endpoint}`);
    return;
  }
  process.exitCode = 1;
  const taken = `still runs ${version}: the ${verb} was rolled back: ${rollout?.reason ?? ''}`;
  out.hint(`avishkar: ${instanceName} ${rollout?.state === 'rolled back' ? taken : `is ${state}`}`);
  for (const line of rollout?.lastLogLines ?? []) out.hint(`  | ${printable(line, false)}`);
}

async function settingsOf(
  { client }: Context,
  name: string,
  version: string,
  given: ReadonlyMap<string, string>,
): Promise<Record<string, unknown>> {
  const { appName } = await client.get(instancePath(name), instanceAnswer);
  return settingsFor(client, appName, version, given);
}
