import { planLosses } from '../../domain/loss-plan.ts';
import type { Unit } from '../../kernel/messenger.ts';
import type { Log } from '../../ports/log.ts';
import type { NodeView } from './fleet-follower.ts';
import { type AppRow, type Db, type LoadBalancerTables, readReplicas } from './store.ts';

/** Puts on record which replicas of an app are lost with their machines, and which are back. */
export async function settleLosses(
  unit: Unit<LoadBalancerTables>,
  app: AppRow,
  nodes: readonly NodeView[],
  { now, log }: { now: number; log: Log },
): Promise<void> {
  const replicas = await readReplicas(unit.tx, app.name);
  const { lost, back, over } = planLosses({ replicas, nodes, desired: app.desired });
  for (const { id, reason } of lost) {
    await unit.tx.updateTable('replicas').set({ state: 'lost', reason, since: now }).where('id', '=', id).execute();
    unit.after(() => log.warn({ app: app.name, replica: id, reason }, 'a replica is lost'));
  }
  for (const id of back) {
    await unit.tx.updateTable('replicas').set({ state: 'starting', since: now }).where('id', '=', id).execute();
    unit.after(() => log.info({ app: app.name, replica: id }, 'a lost replica is back with its machine'));
  }
  await retire(unit.tx, over, now);
}

/** Takes replicas out of use; wherever one of them turns up later, it is removed. */
export async function retire(tx: Db, ids: readonly string[], now: number): Promise<void> {
  if (ids.length === 0) return;
  await tx
    .insertInto('retired')
    .columns(['id', 'node', 'at'])
    .expression((from) =>
      from
        .selectFrom('replicas')
        .select((column) => ['id', 'node', column.val(now).as('at')])
        .where('id', 'in', ids),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  await tx.updateTable('replicas').set({ state: 'draining', since: now }).where('id', 'in', ids).execute();
}
