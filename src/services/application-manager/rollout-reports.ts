import type { InstanceSpec } from '../../domain/instance.ts';
import type { Events } from '../../kernel/events.ts';
import type { Messenger, Unit } from '../../kernel/messenger.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { type Candidate, describeRollout, type Rollout, rolloutOf } from './rollout-state.ts';
import { type ApplicationManagerTables, type InstanceRow, readInstance } from './store.ts';
import { type LiveEvent, note } from './timeline.ts';

type T = ApplicationManagerTables;

export interface RolloutReportsDeps {
  messenger: Messenger<T>;
  events: Events<LiveEvent>;
  clock: Clock;
  log: Log;
  /** Told which bundles are not needed any more, after the commit. */
  onUseless: (specs: readonly InstanceSpec[]) => void;
}

export interface RolloutReports {
  /** A rollout that did not get as far as the load balancer. */
  failed(unit: Unit<T>, name: string, generation: number, reason: string): Promise<void>;
}

/** So many versions that an instance ran are kept, for rollbacks. */
const KEPT_VERSIONS = 10;
const LONGEST_LINES = 100;

/** What the load balancer says of new versions, and what it makes of the instances. */
export function handleRolloutReports(deps: RolloutReportsDeps): RolloutReports {
  const { messenger, events, clock, log } = deps;

  messenger.onAnswer('rollout app', async (unit, message) => {
    const { name, state, reason } = message.fields;
    const row = await readInstance(unit.tx, name);
    const rollout = row && rolloutOf(row);
    const candidate = rollout?.candidates.find(({ spec }) => spec.generation === message.data.generation);
    if (!row || !rollout || !candidate || !['running', 'degraded'].includes(row.state)) {
      log.debug({ instance: name, state }, 'a report on a rollout that is over');
      return;
    }
    const isLast = rollout.candidates.at(-1) === candidate;
    if (state === 'done') await done(unit, row, rollout, candidate);
    else if (state === 'rolled back' && isLast) {
      const lines = Array.isArray(message.data.lastLogLines) ? message.data.lastLogLines.map(String) : [];
      await rolledBack(unit, row, rollout, candidate, { reason, lines });
    } else if (isLast && rollout.state === 'under way') {
      await note(unit, events, row, { at: clock.now(), kind: 'rollout', text: reason });
    }
  });

  /** It runs: what was to be is what is, also when a newer wish is on its way. */
  async function done(unit: Unit<T>, row: InstanceRow, rollout: Rollout, candidate: Candidate): Promise<void> {
    const now = clock.now();
    const old = JSON.parse(row.spec) as InstanceSpec;
    await remember(unit, row, old, candidate);
    const newer = rollout.candidates.filter(({ spec }) => spec.generation > candidate.spec.generation);
    await unit.tx
      .updateTable('instances')
      .set({
        version: candidate.spec.version,
        generation: candidate.spec.generation,
        // Scaling went on meanwhile.
        spec: JSON.stringify({ ...candidate.spec, scale: old.scale }),
        config: candidate.config,
        rollout: newer.length > 0 ? JSON.stringify({ ...rollout, candidates: newer }) : null,
        updated_at: now,
      })
      .where('name_key', '=', row.name_key)
      .execute();
    const text = candidate.kind === 'restart' ? 'all replicas were restarted' : `runs ${candidate.spec.version}`;
    await note(unit, events, row, { at: now, kind: candidate.kind === 'restart' ? 'restarted' : 'upgraded', text });
    const useless = rollout.candidates.filter((one) => one !== candidate && !newer.includes(one));
    unit.after(() => deps.onUseless([old, ...useless.map(({ spec }) => spec)]));
  }

  /** The version that is left can be gone back to; one that was gone back to, and what came after it, cannot. */
  async function remember(unit: Unit<T>, row: InstanceRow, old: InstanceSpec, candidate: Candidate): Promise<void> {
    const { name_key, version, generation, config } = row;
    if (candidate.restores !== null) {
      await unit.tx
        .deleteFrom('earlier_versions')
        .where('name_key', '=', name_key)
        .where('generation', '>=', candidate.restores)
        .execute();
      return;
    }
    if (version === candidate.spec.version) return;
    const sealed = JSON.stringify(old.sealed);
    await unit.tx.insertInto('earlier_versions').values({ name_key, generation, version, config, sealed }).execute();
    const kept = await unit.tx
      .selectFrom('earlier_versions')
      .select('generation')
      .where('name_key', '=', name_key)
      .orderBy('generation', 'desc')
      .execute();
    const oldest = kept[KEPT_VERSIONS - 1]?.generation ?? 0;
    await unit.tx
      .deleteFrom('earlier_versions')
      .where('name_key', '=', name_key)
      .where('generation', '<', oldest)
      .execute();
  }

  async function rolledBack(
    unit: Unit<T>,
    row: InstanceRow,
    rollout: Rollout,
    candidate: Candidate,
    why: { reason: string; lines: readonly string[] },
  ): Promise<void> {
    unit.after(() => deps.onUseless(rollout.candidates.map(({ spec }) => spec)));
    // Cancelled by its user, who was told so already.
    if (rollout.state === 'rolled back') return;
    const now = clock.now();
    const lastLogLines = why.lines.slice(-LONGEST_LINES);
    await unit.tx
      .updateTable('instances')
      .set({
        rollout: JSON.stringify({ ...rollout, state: 'rolled back', reason: why.reason, lastLogLines }),
        updated_at: now,
      })
      .where('name_key', '=', row.name_key)
      .execute();
    const text = `${describeRollout(candidate)} was rolled back: ${why.reason}`;
    await note(unit, events, row, { at: now, kind: 'rolled-back', text });
  }

  return {
    async failed(unit, name, generation, reason) {
      const row = await readInstance(unit.tx, name);
      const rollout = row && rolloutOf(row);
      const last = rollout?.candidates.at(-1);
      if (!row || !rollout || last?.spec.generation !== generation) return;
      await rolledBack(unit, row, rollout, last, { reason, lines: [] });
    },
  };
}
