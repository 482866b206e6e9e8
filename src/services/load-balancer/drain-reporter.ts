import { messageOf } from '../../domain/errors.ts';
import type { NodeSnapshot } from '../../domain/node.ts';
import { place } from '../../domain/placement.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import { isLeft } from './rollout.ts';
import { type AppRow, type LoadBalancerTables, type ReplicaRow, specOf } from './store.ts';

/** Tells the node manager why replicas do not leave a machine that is to be empty. */
export interface DrainReporter {
  report(nodes: readonly NodeSnapshot[]): Promise<void>;
}

/** Shorter than the node manager remembers it. */
const REPEAT_MS = 3000;

export function createDrainReporter(deps: {
  database: Database<LoadBalancerTables>;
  client: ServiceClient;
  clock: Clock;
  log: Log;
}): DrainReporter {
  const { database, clock } = deps;
  const told = new Map<string, { reason: string | null; at: number }>();

  return {
    async report(nodes) {
      const left = nodes.filter(isLeft);
      if (left.length === 0) return;
      // The platform's own services are the platform initializer's to place.
      const apps = await database.read
        .selectFrom('apps')
        .selectAll()
        .where('state', '=', 'live')
        .where('kind', '=', 'app')
        .execute();
      const replicas = await database.read.selectFrom('replicas').selectAll().execute();
      for (const { name } of left) {
        const reason = whyStaying(name, nodes, apps, replicas);
        const before = told.get(name);
        const fresh = before && clock.monotonic() - before.at < REPEAT_MS;
        if (before?.reason === reason && (reason === null || fresh)) continue;
        told.set(name, { reason, at: clock.monotonic() });
        await deps.client
          .call('node-manager', 'POST', `/nodes/${encodeURIComponent(name)}/staying`, { body: { reason } })
          .catch((error) => deps.log.debug({ node: name, reason: messageOf(error) }, 'the node manager was not told'));
      }
    },
  };
}

/** One sentence, or null when all that is there can leave. */
export function whyStaying(
  node: string,
  nodes: readonly NodeSnapshot[],
  apps: readonly AppRow[],
  replicas: readonly ReplicaRow[],
): string | null {
  const nowhere: string[] = [];
  const waiting: string[] = [];
  for (const app of apps) {
    const own = replicas.filter((row) => row.app === app.name && !['draining', 'stopped'].includes(row.state));
    const here = own.filter((row) => row.node === node);
    if (here.length === 0) continue;
    const spec = specOf(app);
    const where = spec && place(nodes, spec.manifest.resources);
    // Its successor is there already, where the last room may have been.
    const followed = own.length > app.desired;
    const ill = own.find((row) => row.node !== node && row.state === 'crash-looping');
    if (!where) nowhere.push(...here.map(() => `${app.name} was registered by a container alone`));
    else if (where.node === null && !followed) nowhere.push(...here.map(() => where.reason));
    else if (ill) waiting.push(...here.map(() => `${app.name} has one elsewhere that does not start: ${ill.reason}`));
  }
  const count = (list: readonly string[], one: string, many: string): string =>
    `${list.length} ${list.length === 1 ? `replica ${one}` : `replicas ${many}`}`;
  if (nowhere.length > 0) return `${count(nowhere, 'has', 'have')} nowhere to go: ${nowhere[0]}`;
  return waiting.length > 0 ? `${count(waiting, 'waits', 'wait')}: ${waiting[0]}` : null;
}
