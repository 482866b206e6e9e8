import type { Command } from 'commander';
import { AvkError } from '../domain/errors.ts';
import { nodesAnswer, wishedAnswer } from './answers.ts';
import { clock } from './clock.ts';
import { type Context, clientCommand, contextOf, interrupted } from './command.ts';

interface Options {
  url?: string;
  json?: boolean;
  wait: boolean;
}

const EVERY_MS = 300;
/** A reason that is there for so long is not passing. */
const STUCK_MS = 3000;

/** `avishkar drain`: empties a machine. */
export function drainCommand(): Command {
  return clientCommand('drain', 'Moves all replicas off a machine, and waits until none is left')
    .argument('<node>', 'a machine')
    .option('--no-wait', 'return at once')
    .action(async (node: string, options: Options) => {
      const context = contextOf(options);
      const { client, out } = context;
      const accepted = await client.post(pathOf(node, 'drain'), {}, wishedAnswer);
      const now = options.wait ? await drained(context, node) : accepted;
      if (out.json) out.document(now);
      if (now.state === 'drained') out.say(`${node} is drained: no replica is left on it.`);
      else if (now.state === 'draining' && !options.wait) out.say(`${node} is draining.`);
      else {
        process.exitCode = options.wait ? 1 : 0;
        out.hint(`avishkar: ${node} is ${now.state}${'reason' in now && now.reason ? `: ${now.reason}` : ''}`);
      }
      out.hint(`See the machines with: npx avishkar nodes; take it into use again with: npx avishkar resume ${node}`);
    });
}

/** `avishkar resume`: takes a machine into use again. */
export function resumeCommand(): Command {
  return clientCommand('resume', 'Takes a drained machine into use again')
    .argument('<node>', 'a machine')
    .action(async (node: string, options: Options) => {
      const { client, out } = contextOf(options);
      const accepted = await client.post(pathOf(node, 'resume'), {}, wishedAnswer);
      if (out.json) out.document(accepted);
      out.say(`${node} is ${accepted.state}.`);
    });
}

function pathOf(node: string, verb: 'drain' | 'resume'): string {
  return `/api/nodes/${encodeURIComponent(node)}/${verb}/`;
}

/** The machine once it is empty, or says for a while why it is not going to be. */
async function drained({ client, out }: Context, name: string) {
  const signal = interrupted();
  let stuckSince: number | null = null;
  let left = -1;
  for (;;) {
    if (signal.aborted) throw new AvkError('AVK_CANCELLED', `not waiting for ${name} any longer; it goes on`);
    const { nodes } = await client.get('/api/nodes/', nodesAnswer);
    const node = nodes.find((one) => one.name === name);
    if (node?.state !== 'draining') return node ?? { name, state: 'gone' };
    if (node.replicas !== left) out.say(`${node.replicas} ${node.replicas === 1 ? 'replica' : 'replicas'} left`);
    left = node.replicas;
    stuckSince = node.reason ? (stuckSince ?? clock.monotonic()) : null;
    if (stuckSince !== null && clock.monotonic() - stuckSince >= STUCK_MS) return node;
    await clock.sleep(EVERY_MS, signal).catch(() => undefined);
  }
}
