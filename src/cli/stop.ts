import type { Command } from 'commander';
import { acceptedAnswer, type Instance } from './answers.ts';
import { type Context, clientCommand, contextOf, interrupted } from './command.ts';
import { waitUntil } from './wait.ts';

interface Options {
  url?: string;
  json?: boolean;
  wait: boolean;
}

/** `avishkar stop`: ends an instance and its replicas. */
export function stopCommand(): Command {
  return clientCommand('stop', 'Stops an instance, and waits until it is gone')
    .argument('<name>', 'an instance')
    .option('--no-wait', 'return at once')
    .action((name: string, options: Options) => end(contextOf(options), 'stopApp', name, options));
}

/** `avishkar cancel`: gives up a deployment under way. */
export function cancelCommand(): Command {
  return clientCommand('cancel', 'Gives up a deployment under way, and waits until it is taken back')
    .argument('<name>', 'an instance that is being deployed')
    .option('--no-wait', 'return at once')
    .action((name: string, options: Options) => end(contextOf(options), 'cancel', name, options));
}

const ENDED = ['stopped', 'cancelled', 'failed'];

async function end(context: Context, verb: 'stopApp' | 'cancel', name: string, options: Options): Promise<void> {
  const { client, out } = context;
  const accepted = await client.post(`/api/deployedApps/${verb}/`, { instanceName: name }, acceptedAnswer);
  if (!options.wait) {
    if (out.json) out.document(accepted);
    out.say(`${accepted.instanceName} is ${accepted.state}.`);
    return;
  }
  const over = ({ state, reason }: Instance): boolean =>
    ENDED.includes(state) || (state === 'stopping' && Boolean(reason));
  const instance = await waitUntil(client, accepted.instanceName, over, { signal: interrupted() });
  if (out.json) out.document(instance);
  const { instanceName, state, reason } = instance;
  if (ENDED.includes(state)) {
    out.say(`${instanceName} is ${state}${state === 'failed' && reason ? `: ${reason}` : ''}.`);
    return;
  }
  process.exitCode = 1;
  out.hint(
    `avishkar: ${instanceName} could not be stopped: ${reason}\nTry again with: npx avishkar stop ${instanceName}`,
  );
}
