import type { Command } from 'commander';
import { type Instance, instanceAnswer, instancesAnswer } from './answers.ts';
import { clock } from './clock.ts';
import { clientCommand, contextOf } from './command.ts';
import { ago, type Paint, table } from './format.ts';
import { instancePath } from './wait.ts';

/** `avishkar ps`: what runs, or one instance in full. */
export function psCommand(): Command {
  return clientCommand('ps', 'Lists the instances, or shows one of them with its replicas')
    .argument('[name]', 'an instance')
    .option('--all', 'stopped and cancelled ones, too')
    .action(async (name: string | undefined, options: { url?: string; json?: boolean; all?: boolean }) => {
      const { client, out } = contextOf(options);
      if (name !== undefined) {
        const instance = await client.get(instancePath(name), instanceAnswer);
        if (out.json) return out.document(instance);
        return out.say(detail(instance, out.paint, clock.now()));
      }
      const answer = await client.get('/api/deployedApps/getDeployedApps/', instancesAnswer);
      const shown = answer.apps.filter(({ state }) => options.all || !['stopped', 'cancelled'].includes(state));
      if (out.json) return out.document({ ...answer, apps: shown });
      const hidden = answer.apps.length - shown.length;
      if (shown.length === 0)
        out.say('Nothing is deployed. Deploy an app: npx avishkar deploy APP (npx avishkar apps lists them)');
      else out.say(list(shown, out.paint, clock.now()));
      if (hidden > 0) out.hint(`${hidden} stopped or cancelled; see them with --all.`);
    });
}

const COLOURS: Record<string, Parameters<Paint>[0]> = {
  running: 'green',
  healthy: 'green',
  degraded: 'yellow',
  unhealthy: 'yellow',
  failed: 'red',
  'crash-looping': 'red',
  lost: 'red',
};

function coloured(state: string, paint: Paint): string {
  const colour = COLOURS[state];
  return colour ? paint(colour, state) : state;
}

export function list(instances: readonly Instance[], paint: Paint, now: number): string {
  const rows = instances.map((instance) => {
    const { instanceName, appName, version, state, replicas, endpoint, createdAt } = instance;
    const healthy = replicas.filter((replica) => replica.state === 'healthy').length;
    const count = replicas.length === 0 ? '-' : `${healthy}/${replicas.length}`;
    const app = `${appName} ${version}`;
    return [instanceName, app, coloured(state, paint), count, endpoint ?? '-', ago(createdAt, now)];
  });
  const reasons = instances
    .filter(({ reason }) => reason)
    .map(({ instanceName, reason }) => `${instanceName}: ${reason}\n`);
  const text = table(['NAME', 'APP', 'STATE', 'HEALTHY', 'ENDPOINT', 'DEPLOYED'], rows, paint);
  return reasons.length === 0 ? text : `${text}\n${reasons.join('')}`;
}

function detail(instance: Instance, paint: Paint, now: number): string {
  const { scale, config, replicas } = instance;
  const facts: [string, string][] = [
    ['App', `${instance.appName} ${instance.version}`],
    ['State', `${coloured(instance.state, paint)}${instance.reason ? `: ${instance.reason}` : ''}`],
    ['Endpoint', instance.endpoint ?? '-'],
    ['Deployed', `${ago(instance.createdAt, now)} by ${instance.createdBy}`],
    ['Replicas', scale.min === scale.max ? String(scale.min) : `${scale.min} to ${scale.max}`],
  ];
  const { rollout } = instance;
  if (rollout) {
    facts.push(['Rollout', `${rollout.version} ${rollout.state}${rollout.reason ? `: ${rollout.reason}` : ''}`]);
  }
  const settings = Object.entries(config).map(([key, value]) => `${key}=${value}`);
  if (settings.length > 0) facts.push(['Settings', settings.join(' ')]);
  const head = facts.map(([name, value]) => `${paint('dim', name.padEnd(9))} ${value}\n`).join('');
  if (replicas.length === 0) return head;
  const rows = replicas.map((replica) => [
    replica.name,
    replica.node,
    String(replica.hostPort),
    coloured(replica.state, paint),
    percent(replica.cpuPercent),
    percent(replica.memoryPercent),
    String(replica.restarts),
    replica.reason ?? '',
  ]);
  return `${head}\n${table(['REPLICA', 'NODE', 'PORT', 'STATE', 'CPU', 'MEMORY', 'RESTARTS', ''], rows, paint)}`;
}

export function percent(value: number | null): string {
  return value === null ? '-' : `${value < 9.95 ? value.toFixed(1) : Math.round(value)} %`;
}
