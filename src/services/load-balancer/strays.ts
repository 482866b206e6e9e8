import { messageOf } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { Machines } from '../../ports/machines.ts';
import { KEEP_RETIRED_MS, type LoadBalancerTables } from './store.ts';

/** Replicas of ours that are to be gone are removed wherever they turn up; unknown ones are only spoken of. */
export async function removeStrays(deps: {
  database: Database<LoadBalancerTables>;
  machines: Machines;
  clock: Clock;
  log: Log;
}): Promise<void> {
  const { database, clock, log } = deps;
  const retired = new Set((await database.read.selectFrom('retired').select('id').execute()).map((row) => row.id));
  const rows = await database.read.selectFrom('replicas').select('id').execute();
  const wanted = new Set(rows.map((row) => row.id));
  for (const { host, runtime } of deps.machines.list()) {
    try {
      for (const container of await runtime.list()) {
        if (!retired.has(container.id) || wanted.has(container.id)) continue;
        log.warn({ replica: container.id, node: host.name }, 'a retired replica turned up and is removed');
        await runtime.remove(container.id);
      }
    } catch (error) {
      // It is looked through when it answers again.
      log.debug({ node: host.name, reason: messageOf(error) }, 'a machine could not be looked through');
    }
  }
  await database.transaction(async (tx) => {
    const old = clock.now() - KEEP_RETIRED_MS;
    await tx.deleteFrom('retired').where('at', '<', old).execute();
    await tx.deleteFrom('tombstones').where('at', '<', old).execute();
  });
}
