import type { Command } from 'commander';
import { nodesAnswer } from './answers.ts';
import { clock } from './clock.ts';
import { clientCommand, contextOf } from './command.ts';
import { ago, table } from './format.ts';
import { percent } from './ps.ts';

/** `avishkar nodes`: the machines and how they are. */
export function nodesCommand(): Command {
  return clientCommand('nodes', 'Lists the machines').action(async (options: { url?: string; json?: boolean }) => {
    const { client, out } = contextOf(options);
    const answer = await client.get('/api/nodes/', nodesAnswer);
    if (out.json) return out.document(answer);
    const rows = answer.nodes.map((node) => [
      node.name,
      node.address,
      out.paint(node.state === 'ready' ? 'green' : 'yellow', node.state),
      percent(node.cpuPercent),
      percent(node.memoryPercent),
      percent(node.diskPercent),
      node.score.toFixed(1),
      String(node.replicas),
      node.lastSeen === null ? 'never' : ago(node.lastSeen, clock.now()),
      node.reason ?? '',
    ]);
    const head = ['NAME', 'ADDRESS', 'STATE', 'CPU', 'MEMORY', 'DISK', 'SCORE', 'REPLICAS', 'SEEN', ''];
    out.say(table(head, rows, out.paint));
  });
}
