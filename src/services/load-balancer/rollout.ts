import { AvkError } from '../../domain/errors.ts';
import type { InstanceSpec } from '../../domain/instance.ts';
import type { NodeSnapshot } from '../../domain/node.ts';
import { place } from '../../domain/placement.ts';
import type { Standing } from '../../domain/replica-plan.ts';
import { judgeRollout, MOST_FAILED_STARTS } from '../../domain/rollout-plan.ts';
import type { Unit } from '../../kernel/messenger.ts';
import { startDeadlineMs } from '../../kernel/replica.ts';
import {
  type AppRow,
  type Db,
  type LoadBalancerTables,
  type ReplicaRow,
  type RolloutRow,
  readApp,
  readRollout,
  specOf,
} from './store.ts';

/** On top of what the app itself may take for one more replica: waiting for a turn, back-off, draining. */
const MARGIN_MS = 60_000;

/**
 * Puts a new version beside the one there is; the reconciler lets it in replica by replica. One that was heard of
 * before changes nothing, a newer one takes the place of one under way.
 *
 * @throws AvkError AVK_NOT_FOUND when the app is not registered, or is on its way out
 */
export async function beginRollout(tx: Db, name: string, spec: InstanceSpec, now: number): Promise<void> {
  const app = await readApp(tx, name);
  if (app?.state !== 'live' || spec.generation < app.first_generation) {
    throw new AvkError('AVK_NOT_FOUND', `${name} is not registered`);
  }
  if (app.spec === null) {
    throw new AvkError('AVK_CONFLICT', `${name} was registered by a container alone; there is no version to replace`);
  }
  if (spec.generation <= app.seen_generation) return;
  const row: RolloutRow = {
    app: name,
    generation: spec.generation,
    spec: JSON.stringify(spec),
    reached: 0,
    reached_at: now,
  };
  await tx.updateTable('apps').set({ seen_generation: spec.generation }).where('name', '=', name).execute();
  await tx.deleteFrom('rollouts').where('app', '=', name).execute();
  await tx.insertInto('rollouts').values(row).execute();
}

/** Takes a new version back that has not come in yet. One that is still to be heard of will not begin any more. */
export async function withdrawRollout(
  unit: Unit<LoadBalancerTables>,
  name: string,
  generation: number,
  requestId: string,
): Promise<void> {
  const app = await readApp(unit.tx, name);
  if (!app || app.generation >= generation) return;
  if (app.seen_generation < generation) {
    await unit.tx.updateTable('apps').set({ seen_generation: generation }).where('name', '=', name).execute();
  }
  const rollout = await readRollout(unit.tx, name);
  if (rollout?.generation === generation) await takeBack(unit, rollout, 'cancelled on request', requestId);
}

/** What a replica of that generation is started from; null when that was wanted for a while only. */
export function specFor(app: AppRow, rollout: RolloutRow | undefined, generation: number): InstanceSpec | null {
  if (rollout?.generation === generation) return specOf(rollout);
  return app.generation === generation ? specOf(app) : null;
}

/** How each replica stands to what is wanted, its machine included. */
export function standings(
  app: AppRow,
  rollout: RolloutRow | undefined,
  replicas: readonly ReplicaRow[],
  nodes: readonly NodeSnapshot[],
): Map<string, Standing> {
  const target = rollout?.generation ?? app.generation;
  const spec = specFor(app, rollout, target);
  const left = new Set(nodes.filter(isLeft).map(({ name }) => name));
  const elsewhere = left.size > 0 && spec !== null && place(nodes, spec.manifest.resources).node !== null;
  const counting = replicas.filter(({ state }) => !['draining', 'stopped', 'lost'].includes(state)).length;
  const standing = (row: ReplicaRow): Standing => {
    if (row.generation !== target) return row.generation === app.generation ? 'outdated' : 'abandoned';
    // One too many is there already: that is its successor, which may just have taken the last room.
    return left.has(row.node) && (elsewhere || counting > app.desired) ? 'outdated' : 'current';
  };
  return new Map(replicas.map((row) => [row.id, standing(row)]));
}

/** Whether an operator wants the machine empty. */
export function isLeft(node: NodeSnapshot): boolean {
  return node.state === 'draining' || node.state === 'drained';
}

export interface JudgeOptions {
  now: number;
  buildDeadlineMs: number;
  /** Why a replica of it could not be put anywhere, if so. */
  unplaced: string | null;
  requestId: string;
}

/**
 * Puts on record what has become of the app's rollout, and tells the application manager.
 *
 * @returns whether it is over
 */
export async function settleRollout(
  unit: Unit<LoadBalancerTables>,
  app: AppRow,
  rollout: RolloutRow,
  replicas: readonly ReplicaRow[],
  options: JudgeOptions,
): Promise<boolean> {
  const { tx } = unit;
  const spec = JSON.parse(rollout.spec) as InstanceSpec;
  const verdict = judgeRollout({
    generation: rollout.generation,
    desired: app.desired,
    replicas,
    reached: rollout.reached,
    reachedAt: rollout.reached_at,
    now: options.now,
    limitMs: options.buildDeadlineMs + MOST_FAILED_STARTS * startDeadlineMs(spec) + MARGIN_MS,
    unplaced: options.unplaced,
  });
  const data = { generation: rollout.generation, version: spec.version };
  if (verdict.is === 'failed') {
    const lines = replicas.find((row) => row.generation === rollout.generation && row.last_lines)?.last_lines;
    await takeBack(unit, rollout, verdict.reason, options.requestId, lines ? (JSON.parse(lines) as string[]) : []);
    return true;
  }
  if (verdict.is === 'done') {
    await tx
      .updateTable('apps')
      .set({
        generation: rollout.generation,
        spec: rollout.spec,
        image: spec.image,
        container_port: spec.manifest.port,
      })
      .where('name', '=', app.name)
      .execute();
    await tx.deleteFrom('rollouts').where('app', '=', app.name).execute();
    unit.send('first_topic', 'rollout app', { name: app.name, state: 'done', reason: '' }, options.requestId, data);
    return true;
  }
  if (verdict.reached > rollout.reached) {
    await tx
      .updateTable('rollouts')
      .set({ reached: verdict.reached, reached_at: options.now })
      .where('app', '=', app.name)
      .execute();
    const reason = `${verdict.reached} of ${app.desired} replicas run ${spec.version}`;
    unit.send('first_topic', 'rollout app', { name: app.name, state: 'under way', reason }, options.requestId, data);
  }
  return false;
}

/** What the replicas were is wanted again; those of the new version that serve go when there are others. */
async function takeBack(
  unit: Unit<LoadBalancerTables>,
  rollout: RolloutRow,
  reason: string,
  requestId: string,
  lastLogLines: readonly string[] = [],
): Promise<void> {
  const { version } = JSON.parse(rollout.spec) as InstanceSpec;
  await unit.tx.deleteFrom('rollouts').where('app', '=', rollout.app).execute();
  unit.send('first_topic', 'rollout app', { name: rollout.app, state: 'rolled back', reason }, requestId, {
    generation: rollout.generation,
    version,
    lastLogLines,
  });
}
