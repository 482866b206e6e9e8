import { messageOf } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ContainerInfo } from '../../ports/container-runtime.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { Machines } from '../../ports/machines.ts';
import { KEEP_RETIRED_MS, type LoadBalancerTables } from './store.ts';

export interface StraysDeps {
  database: Database<LoadBalancerTables>;
  machines: Machines;
  clock: Clock;
  log: Log;
}

/** The first replica of a deployment is not known here before it is healthy. */
const UNKNOWN_MS = 5 * 60_000;

/** Replicas of ours that are to be gone are removed wherever they turn up; unknown ones are only spoken of. */
export function createStrays({ database, machines, clock, log }: StraysDeps): () => Promise<void> {
  /** Unknown replicas by id: since when each is seen, and whether it was spoken of. */
  const unknown = new Map<string, { node: string; since: number; told: boolean }>();

  function noteUnknown(node: string, containers: readonly ContainerInfo[]): void {
    const there = new Set(containers.map(({ id }) => id));
    for (const [id, each] of unknown) if (each.node === node && !there.has(id)) unknown.delete(id);
    for (const { id, name, containerId } of containers) {
      const each = unknown.get(id) ?? { node, since: clock.monotonic(), told: false };
      unknown.set(id, each);
      if (each.told || clock.monotonic() - each.since < UNKNOWN_MS) continue;
      each.told = true;
      const fields = { node, container: name, containerId, replica: id };
      log.warn(fields, 'a container of the platform’s is on a machine, and nothing is known of it; it is left alone');
    }
  }

  return async () => {
    const retired = new Set((await database.read.selectFrom('retired').select('id').execute()).map((row) => row.id));
    const rows = await database.read.selectFrom('replicas').select('id').execute();
    const wanted = new Set(rows.map((row) => row.id));
    for (const { host, runtime } of machines.list()) {
      try {
        const others = (await runtime.list()).filter(({ id }) => !wanted.has(id));
        noteUnknown(
          host.name,
          others.filter(({ id }) => !retired.has(id)),
        );
        for (const { id } of others.filter((each) => retired.has(each.id))) {
          log.warn({ replica: id, node: host.name }, 'a retired replica turned up and is removed');
          await runtime.remove(id);
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
  };
}
