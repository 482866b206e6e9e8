import { resolve } from 'node:path';
import type { Command } from 'commander';
import { checksAnswer, letGoAnswer, nodesAnswer } from './answers.ts';
import { sayChecks } from './checks.ts';
import { clock } from './clock.ts';
import { clientCommand, contextOf, wholeNumber } from './command.ts';
import { ago, table } from './format.ts';
import { percent } from './ps.ts';

interface Options {
  url?: string;
  json?: boolean;
}

interface MachineOptions extends Options {
  user: string;
  key?: string;
  folder?: string;
  sshPort?: number;
  ports?: string;
  hostKey?: string;
}

/** `avishkar nodes`: the machines and how they are; taking them in and letting go of them. */
export function nodesCommand(): Command {
  return clientCommand('nodes', 'Lists the machines; takes them in, checks them, lets go of them')
    .enablePositionalOptions()
    .action(list)
    .addCommand(
      machineCommand('add', 'Takes a machine in, if it lacks nothing').action(
        async (name: string, address: string, options: MachineOptions) => {
          const { client, out } = contextOf(options);
          const answer = await client.post('/api/nodes/', entryOf(name, address, options), checksAnswer);
          if (out.json) return out.document(answer);
          sayChecks(out, answer.checks);
          out.say(`${name} is a machine of the platform now.`);
        },
      ),
    )
    .addCommand(
      machineCommand('try', 'Says what a machine lacks before it can be taken in').action(
        async (name: string, address: string, options: MachineOptions) => {
          const { client, out } = contextOf(options);
          const answer = await client.post('/api/nodes/check/', entryOf(name, address, options), checksAnswer);
          if (out.json) return out.document(answer);
          sayChecks(out, answer.checks);
        },
      ),
    )
    .addCommand(
      clientCommand('check', 'Says what a machine of the platform lacks')
        .argument('<node>', 'a machine')
        .action(async (name: string, options: Options) => {
          const { client, out } = contextOf(options);
          const answer = await client.get(`/api/nodes/${encodeURIComponent(name)}/check/`, checksAnswer);
          if (out.json) return out.document(answer);
          sayChecks(out, answer.checks);
        }),
    )
    .addCommand(
      clientCommand('rm', 'Lets go of a machine that is drained, or lost for good')
        .argument('<node>', 'a machine')
        .action(async (name: string, options: Options) => {
          const { client, out } = contextOf(options);
          const answer = await client.delete(`/api/nodes/${encodeURIComponent(name)}`, letGoAnswer);
          if (out.json) return out.document(answer);
          out.say(`${name} is no machine of the platform any more.`);
        }),
    );
}

function machineCommand(name: string, description: string): Command {
  return clientCommand(name, description)
    .argument('<name>', 'what the machine is to be called')
    .argument('<address>', 'where the platform and the other machines reach it')
    .requiredOption('--user <user>', 'who the platform signs in as; in group docker there')
    .option('--key <file>', 'private key, on the machine of the platform (default: its SSH agent)')
    .option('--folder <path>', 'where the platform’s files go there (default: /home/USER/Services)')
    .option('--ssh-port <port>', 'where its sshd listens (default: 22)', wholeNumber)
    .option('--ports <first-last>', 'ports that replicas get there (default: 20000-29999)')
    .option('--host-key <key>', 'its host key, as ssh-keyscan prints it (default: the one it shows first)');
}

/** As vm-details.json has it. */
function entryOf(name: string, address: string, options: MachineOptions): Record<string, unknown> {
  return {
    vm_name: name,
    vm_ip: address,
    vm_username: options.user,
    vm_key_path: options.key === undefined ? '' : resolve(options.key),
    vm_service_path: options.folder ?? `/home/${options.user}/Services`,
    ...(options.sshPort === undefined ? {} : { vm_port: options.sshPort }),
    ...(options.ports === undefined ? {} : { ports: options.ports }),
    ...(options.hostKey === undefined ? {} : { hostKey: options.hostKey }),
  };
}

async function list(options: Options): Promise<void> {
  const { client, out } = contextOf(options);
  const answer = await client.get('/api/nodes/', nodesAnswer);
  if (out.json) return out.document(answer);
  const rows = answer.nodes.map((node) => {
    // Of a machine that does not answer, or has not yet, nobody knows how it is.
    const known = node.state !== 'lost' && node.lastSeen !== null;
    return [
      node.name,
      node.address,
      out.paint(node.state === 'ready' ? 'green' : 'yellow', node.state),
      ...[node.cpuPercent, node.memoryPercent, node.diskPercent].map((value) => percent(known ? value : null)),
      known ? node.score.toFixed(1) : '-',
      String(node.replicas),
      node.lastSeen === null ? 'never' : ago(node.lastSeen, clock.now()),
      node.reason ?? '',
    ];
  });
  const head = ['NAME', 'ADDRESS', 'STATE', 'CPU', 'MEMORY', 'DISK', 'SCORE', 'REPLICAS', 'SEEN', ''];
  out.say(table(head, rows, out.paint));
}
