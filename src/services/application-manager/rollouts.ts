import { AvkError } from '../../domain/errors.ts';
import { DEPLOYING, ENDED, type InstanceSpec } from '../../domain/instance.ts';
import { type Runtime, unsupportedRuntime } from '../../domain/manifest.ts';
import { keepSettings, type Settings } from '../../domain/settings.ts';
import type { Events } from '../../kernel/events.ts';
import type { Messenger, Unit } from '../../kernel/messenger.ts';
import type { Sagas } from '../../kernel/saga-definition.ts';
import type { SecretBox } from '../../kernel/secret-box.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { Accepted } from './accepted.ts';
import { makeSpec, settingsOf, unknownApp } from './instance-spec.ts';
import { requireStarted } from './platform-gate.ts';
import type { RolloutContext, WithdrawContext } from './rollout-saga.ts';
import {
  type Candidate,
  describeRollout,
  type RolloutKind,
  rolloutOf,
  underWay,
  withCandidate,
} from './rollout-state.ts';
import {
  type ApplicationManagerTables,
  type EarlierVersionRow,
  type InstanceRow,
  manifestOf,
  readBaseApp,
  readInstance,
} from './store.ts';
import { type LiveEvent, note } from './timeline.ts';

type T = ApplicationManagerTables;

/** New versions of instances that run: the replicas are replaced one by one, behind the same address. */
export interface Rollouts {
  /** @param config settings that are to change; the others are kept */
  upgrade(instance: InstanceRow, version: string, config?: Record<string, unknown>): Promise<Accepted>;
  /** Back to that version, or the one that ran before. */
  rollback(instance: InstanceRow, version?: string): Promise<Accepted>;
  /** The same version in new replicas. */
  restart(instance: InstanceRow): Promise<Accepted>;
  /** Takes back what is under way; false when nothing is. */
  giveUp(unit: Unit<T>, row: InstanceRow, requestId: string): Promise<boolean>;
}

export interface RolloutsDeps {
  messenger: Messenger<T>;
  sagas: Sagas<T>;
  events: Events<LiveEvent>;
  secrets: SecretBox;
  clock: Clock;
  random: Random;
  /** The kinds of apps that the machines can run. */
  runtimes: readonly Runtime[];
}

interface Wish {
  kind: RolloutKind;
  version: string;
  kept: Settings;
  given: Record<string, unknown>;
  restores: number | null;
}

const VERB: Record<RolloutKind, string> = { upgrade: 'upgraded', rollback: 'rolled back', restart: 'restarted' };
const DOING: Record<RolloutKind, string> = { upgrade: 'upgrading', rollback: 'rolling-back', restart: 'restarting' };

export function createRollouts(deps: RolloutsDeps): Rollouts {
  const { messenger, sagas, events, secrets, clock, random } = deps;

  /** The settings that it has now, or is about to have. */
  function presentSettings(row: InstanceRow): Settings {
    const wanted = underWay(row)?.wanted;
    const spec = wanted?.spec ?? (JSON.parse(row.spec) as InstanceSpec);
    return settingsOf(wanted?.config ?? row.config, spec.sealed, secrets);
  }

  /** One command: the instance must run; the wish is made from its present row. */
  async function command(
    instance: InstanceRow,
    kind: RolloutKind,
    wishOf: (unit: Unit<T>, row: InstanceRow, requestId: string) => Promise<Wish | Accepted>,
  ): Promise<Accepted> {
    // Chosen out here, as the transaction may be run again.
    const requestId = random.uuid();
    const sagaId = random.uuid();
    return messenger.transaction(async (unit) => {
      await requireStarted(unit.tx);
      const row = await readInstance(unit.tx, instance.name);
      if (!row || row.created_at !== instance.created_at) {
        throw new AvkError('AVK_NOT_FOUND', `${instance.name} is gone`);
      }
      refuseUnlessRunning(row, kind);
      const wish = await wishOf(unit, row, requestId);
      return 'requestId' in wish ? wish : begin(unit, row, wish, { requestId, sagaId });
    });
  }

  async function begin(
    unit: Unit<T>,
    row: InstanceRow,
    wish: Wish,
    ids: { requestId: string; sagaId: string },
  ): Promise<Accepted> {
    const app = await readBaseApp(unit.tx, row.app_name, wish.version);
    if (!app) throw await unknownApp(unit.tx, row.app_name, wish.version);
    const manifest = manifestOf(app);
    if (!deps.runtimes.includes(manifest.runtime)) throw unsupportedRuntime(manifest.runtime, deps.runtimes);
    const { settings, dropped } = keepSettings(manifest, wish.kept, wish.given);
    const current = underWay(row);
    const version = current?.wanted.spec.version ?? row.version;
    if (wish.kind !== 'restart' && version === app.version && sameSettings(presentSettings(row), settings)) {
      // Whoever asks for what there is has seen what became of the last one.
      if (!current && row.rollout !== null) {
        await unit.tx.updateTable('instances').set({ rollout: null }).where('name_key', '=', row.name_key).execute();
      }
      return acceptedOf(row, current?.rollout.requestId ?? row.request_id);
    }
    const generation = row.highest_generation + 1;
    const { scale } = JSON.parse(row.spec) as InstanceSpec;
    const { spec, config, stored } = makeSpec({ name: row.name, generation, app, settings, scale, secrets });
    const wanted: Candidate = { kind: wish.kind, spec, config, restores: wish.restores };
    const now = clock.now();
    await unit.tx
      .updateTable('instances')
      .set({
        highest_generation: generation,
        rollout: JSON.stringify(withCandidate(rolloutOf(row), ids.requestId, wanted)),
        updated_at: now,
      })
      .where('name_key', '=', row.name_key)
      .execute();
    await note(unit, events, row, { at: now, kind: DOING[wish.kind], text: beginningOf(row, wanted, dropped) });
    // The newest wish counts: one that has not been told yet is given up.
    await sagas.cancel(unit, 'rollout', row.name, 'replaced by a newer one');
    const context: RolloutContext = { spec, source: app.blob_key, settings: stored };
    await sagas.begin(unit, 'rollout', { id: ids.sagaId, subject: row.name, requestId: ids.requestId }, context);
    return acceptedOf(row, ids.requestId);
  }

  async function giveUp(unit: Unit<T>, row: InstanceRow, requestId: string): Promise<boolean> {
    const current = underWay(row);
    if (!current) return false;
    const { rollout, wanted } = current;
    const now = clock.now();
    await unit.tx
      .updateTable('instances')
      .set({
        rollout: JSON.stringify({ ...rollout, state: 'rolled back', reason: 'cancelled on request' }),
        updated_at: now,
      })
      .where('name_key', '=', row.name_key)
      .execute();
    const text = `${describeRollout(wanted)} was cancelled on request`;
    await note(unit, events, row, { at: now, kind: 'rolled-back', text });
    await sagas.cancel(unit, 'rollout', row.name, 'cancelled on request');
    const context: WithdrawContext = { generation: wanted.spec.generation };
    await sagas.begin(unit, 'withdraw', { id: requestId, subject: row.name, requestId }, context);
    return true;
  }

  return {
    giveUp,
    upgrade: (instance, version, config = {}) =>
      command(instance, 'upgrade', async (_unit, row) => ({
        kind: 'upgrade',
        version,
        kept: presentSettings(row),
        given: config,
        restores: null,
      })),
    rollback: (instance, version) =>
      command(instance, 'rollback', async (unit, row, requestId) => {
        const current = underWay(row);
        const running = version === undefined || version === current?.wanted.spec.version;
        if (current?.wanted.kind === 'rollback' && running) return acceptedOf(row, current.rollout.requestId);
        // What ran before an upgrade that is still under way is what runs now.
        if (current && (version === undefined || version === row.version)) {
          await giveUp(unit, row, requestId);
          return acceptedOf(row, requestId);
        }
        const earlier = await earlierVersion(unit, row, version);
        if (version === undefined && !earlier) {
          throw new AvkError(
            'AVK_CONFLICT',
            `${row.name} has run no other version than ${row.version}; name one, or upgrade it`,
          );
        }
        const then = earlier
          ? settingsOf(earlier.config, JSON.parse(earlier.sealed) as Record<string, string>, secrets)
          : null;
        return {
          kind: 'rollback',
          version: version ?? earlier?.version ?? '',
          kept: overlaid(then, presentSettings(row)),
          given: {},
          restores: earlier?.generation ?? null,
        };
      }),
    restart: (instance) =>
      command(instance, 'restart', async (_unit, row) => {
        const current = underWay(row);
        // New replicas are on their way as it is.
        if (current) return acceptedOf(row, current.rollout.requestId);
        return { kind: 'restart', version: row.version, kept: presentSettings(row), given: {}, restores: null };
      }),
  };
}

async function earlierVersion(
  unit: Unit<T>,
  row: InstanceRow,
  version: string | undefined,
): Promise<EarlierVersionRow | undefined> {
  let query = unit.tx.selectFrom('earlier_versions').selectAll().where('name_key', '=', row.name_key);
  query = version === undefined ? query.where('version', '!=', row.version) : query.where('version', '=', version);
  return query.orderBy('generation', 'desc').executeTakeFirst();
}

/** What is set now counts; what only the earlier version had comes back as it was then. */
function overlaid(then: Settings | null, now: Settings): Settings {
  const keys = new Set([...Object.keys(now.values), ...Object.keys(now.secrets)]);
  const only = <V>(map: Record<string, V> | undefined): Record<string, V> =>
    Object.fromEntries(Object.entries(map ?? {}).filter(([key]) => !keys.has(key)));
  return {
    values: { ...only(then?.values), ...now.values },
    secrets: { ...only(then?.secrets), ...now.secrets },
  };
}

function refuseUnlessRunning(row: InstanceRow, kind: RolloutKind): void {
  if (row.state === 'running' || row.state === 'degraded') return;
  const wait = DEPLOYING.includes(row.state) ? 'wait until it runs' : 'wait until it is stopped, then deploy it anew';
  const next = ENDED.includes(row.state) ? 'deploy it anew with the version that is wanted' : wait;
  throw new AvkError(
    'AVK_CONFLICT',
    `${row.name} is ${row.state}; only a running instance can be ${VERB[kind]}: ${next}`,
  );
}

function beginningOf(row: InstanceRow, wanted: Candidate, dropped: readonly string[]): string {
  const { version } = wanted.spec;
  const gone = dropped.length > 0 ? `; settings not kept: ${dropped.join(', ')}` : '';
  if (wanted.kind === 'restart') return 'restarting the replicas one by one';
  if (version === row.version) return `changing the settings of ${version}${gone}`;
  const from = `from ${row.version} to ${version}${gone}`;
  return wanted.kind === 'upgrade' ? `upgrading ${from}` : `rolling back ${from}`;
}

function acceptedOf(row: InstanceRow, requestId: string): Accepted {
  return { instanceName: row.name, requestId, state: row.state };
}

function sameSettings(a: Settings, b: Settings): boolean {
  const flat = ({ values, secrets }: Settings): string =>
    JSON.stringify([values, secrets].map((map) => Object.entries(map).sort(([x], [y]) => (x < y ? -1 : 1))));
  return flat(a) === flat(b);
}
