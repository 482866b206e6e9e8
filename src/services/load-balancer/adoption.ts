import { messageOf } from '../../domain/errors.ts';
import { withDeadline } from '../../kernel/deadline.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { Machine, Machines } from '../../ports/machines.ts';
import type { LoadBalancerTables } from './store.ts';

export interface AdoptionDeps {
  database: Database<LoadBalancerTables>;
  machines: Machines;
  clock: Clock;
  log: Log;
}

const LIST_DEADLINE_MS = 5000;

/**
 * What a load balancer that starts makes of the replicas on record: those that run on stay in the routes, as apps do
 * not depend on it, and their health is asked as always; those that ended meanwhile are started again. A machine that
 * cannot be asked is no news of its replicas.
 */
export async function adoptReplicas(deps: AdoptionDeps): Promise<void> {
  const { database, clock } = deps;
  const gone: string[] = [];
  await Promise.all(
    deps.machines.list().map(async (machine) => {
      const { name } = machine.host;
      const running = await runningOn(deps, machine);
      if (!running) return;
      const rows = await database.read
        .selectFrom('replicas')
        .innerJoin('apps', 'apps.name', 'replicas.app')
        .select('replicas.id')
        .where('replicas.node', '=', name)
        .where('replicas.state', 'in', ['healthy', 'unhealthy'])
        // Registered by a container alone: there is nothing to start it from.
        .where('apps.spec', 'is not', null)
        .execute();
      gone.push(...rows.map((row) => row.id).filter((id) => !running.has(id)));
    }),
  );
  if (gone.length === 0) return;
  await database.transaction(async (tx) => {
    await tx
      .updateTable('replicas')
      .set({ state: 'starting', since: clock.now() })
      .where('id', 'in', gone)
      .where('state', 'in', ['healthy', 'unhealthy'])
      .execute();
  });
}

async function runningOn(deps: AdoptionDeps, { host, runtime }: Machine): Promise<Set<string> | null> {
  const node = host.name;
  try {
    const containers = await withDeadline(deps.clock, LIST_DEADLINE_MS, `listing the replicas on ${node}`, () =>
      runtime.list(),
    );
    return new Set(containers.filter(({ state }) => state === 'running').map(({ id }) => id));
  } catch (error) {
    deps.log.warn({ node, reason: messageOf(error) }, 'a machine could not be asked which replicas run on it');
    return null;
  }
}
