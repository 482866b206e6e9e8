import { AvkError } from '../../domain/errors.ts';
import { DEPLOYING, ENDED, type InstanceSpec, type InstanceState } from '../../domain/instance.ts';
import { type Manifest, type Runtime, type Scale, scaleSchema, unsupportedRuntime } from '../../domain/manifest.ts';
import { isReserved, nameKey } from '../../domain/names.ts';
import { resolveSettings } from '../../domain/settings.ts';
import type { Events } from '../../kernel/events.ts';
import type { Messenger, Unit } from '../../kernel/messenger.ts';
import type { Sagas } from '../../kernel/saga-definition.ts';
import type { SecretBox } from '../../kernel/secret-box.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { Accepted } from './accepted.ts';
import { makeSpec, unknownApp } from './instance-spec.ts';
import type { LaunchContext } from './launch-saga.ts';
import { requireStarted } from './platform-gate.ts';
import type { Rollouts } from './rollouts.ts';
import type { ScaleContext } from './scale-saga.ts';
import { readKept } from './schedule-store.ts';
import { type ApplicationManagerTables, type InstanceRow, manifestOf, readBaseApp, readInstance } from './store.ts';
import { type LiveEvent, note } from './timeline.ts';

export interface DeployRequest {
  appName: string;
  version?: string | undefined;
  instanceName?: string | undefined;
  config?: Record<string, unknown> | undefined;
  scale?: Partial<Scale> | undefined;
}

/** What users ask of instances. Each is one transaction; all that takes time follows from it. */
export interface Instances {
  deploy(request: DeployRequest, by: string, idempotencyKey?: string): Promise<Accepted>;
  /** The deployment manager was asked for base app NAME by a bare message: instance NAME with defaults, under its request id. */
  deployRequested(name: string, requestId: string): Promise<Accepted>;
  /** What a schedule deploys when its time has come, as a part of that transaction. */
  deployScheduled(unit: Unit<T>, request: DeployRequest, by: string, requestId: string): Promise<Accepted>;
  /** What an instance is made of, checked as for a deployment; writes nothing. */
  draft(unit: Unit<T>, request: DeployRequest, by: string, requestId: string): Promise<Draft>;
  /** Ends it wherever it stands, as a part of another transaction. */
  stopIn(unit: Unit<T>, instance: InstanceRow): Promise<Accepted>;
  /** Ends it wherever it stands. Repeating is harmless. */
  stop(instance: InstanceRow): Promise<Accepted>;
  /** Gives up a deployment under way. */
  cancel(instance: InstanceRow): Promise<Accepted>;
  scale(
    instance: InstanceRow,
    wanted: { min?: number | undefined; max?: number | undefined; replicas?: number | undefined },
  ): Promise<Accepted>;
}

/** An instance as it would be deployed now. */
export interface Draft {
  row: InstanceRow;
  spec: InstanceSpec;
  /** The uploaded zip. */
  source: string;
  /** As kept beside the bundle: secrets sealed. */
  settings: LaunchContext['settings'];
  /** What has the name so far. */
  before: InstanceRow | undefined;
}

export interface InstancesDeps {
  messenger: Messenger<ApplicationManagerTables>;
  sagas: Sagas<ApplicationManagerTables>;
  events: Events<LiveEvent>;
  secrets: SecretBox;
  clock: Clock;
  random: Random;
  /** The kinds of apps that the machines can run. */
  runtimes: readonly Runtime[];
  rollouts: Pick<Rollouts, 'giveUp'>;
}

/** Whose instances are that no user asked for. */
export const MESSAGES_OWNER = 'admin';
const MOST_SUFFIXES = 100_000;
const KEEP_IDEMPOTENCY_MS = 24 * 3600 * 1000;
type T = ApplicationManagerTables;

export function createInstances(deps: InstancesDeps): Instances {
  const { messenger, sagas, events, clock, random } = deps;

  async function deploy(
    request: DeployRequest,
    by: string,
    idempotencyKey?: string,
    asked?: { requestId: string },
  ): Promise<Accepted> {
    // Chosen out here, as the transaction may be run again.
    const requestId = asked?.requestId ?? random.uuid();
    return messenger.transaction(async (unit) => {
      if (idempotencyKey !== undefined) {
        const earlier = await recall(unit, by, idempotencyKey, request);
        if (earlier) return earlier;
      }
      await requireStarted(unit.tx);
      await refuseKept(unit, request, by);
      const accepted = await deployIn(unit, request, by, requestId, asked ? 1 : 0);
      if (idempotencyKey !== undefined) await remember(unit, by, idempotencyKey, request, accepted);
      return accepted;
    });
  }

  async function deployIn(
    unit: Unit<T>,
    request: DeployRequest,
    by: string,
    requestId: string,
    attempt: LaunchContext['attempt'] = 0,
  ): Promise<Accepted> {
    const { row, spec, source, settings, before } = await draft(unit, request, by, requestId);
    if (before && before.state !== 'scheduled' && !ENDED.includes(before.state)) {
      throw new AvkError('AVK_NAME_TAKEN', `${before.name} is ${before.state}; stop it first or choose another name`);
    }
    await unit.tx.deleteFrom('instances').where('name_key', '=', row.name_key).execute();
    await unit.tx.deleteFrom('earlier_versions').where('name_key', '=', row.name_key).execute();
    await unit.tx.insertInto('instances').values(row).execute();
    const text = `deploying ${row.app_name} ${row.version}`;
    await note(unit, events, row, { at: row.created_at, kind: 'requested', text });
    const context: LaunchContext = { spec, source, settings, attempt };
    await sagas.begin(unit, 'launch', { id: random.uuid(), subject: row.name, requestId }, context);
    return { instanceName: row.name, requestId, state: row.state };
  }

  async function draft(unit: Unit<T>, request: DeployRequest, by: string, requestId: string): Promise<Draft> {
    const app = await readBaseApp(unit.tx, request.appName, request.version);
    if (!app) throw await unknownApp(unit.tx, request.appName, request.version);
    const manifest = manifestOf(app);
    if (!deps.runtimes.includes(manifest.runtime)) throw unsupportedRuntime(manifest.runtime, deps.runtimes);
    const settings = resolveSettings(manifest, request.config ?? {});
    const scale = mergeScale(manifest, request.scale);
    const name = request.instanceName ?? (await firstFreeName(unit, app.name));
    const before = await readInstance(unit.tx, name);
    const generation = (before?.highest_generation ?? 0) + 1;
    const { spec, config, stored } = makeSpec({ name, generation, app, settings, scale, secrets: deps.secrets });
    const now = clock.now();
    const row: InstanceRow = {
      name_key: nameKey(name),
      name,
      app_name: app.name,
      version: app.version,
      state: 'requested',
      ending: null,
      generation,
      highest_generation: generation,
      spec: JSON.stringify(spec),
      config,
      request_id: requestId,
      endpoint: null,
      node: null,
      reason: null,
      last_log_lines: null,
      rollout: null,
      created_at: now,
      created_by: by,
      updated_at: now,
      previous_version: before ? previousVersion(before, app) : null,
    };
    return { row, spec, source: app.blob_key, settings: stored, before };
  }

  async function end(instance: InstanceRow, ending: 'stopped' | 'cancelled'): Promise<Accepted> {
    const requestId = random.uuid();
    return messenger.transaction((unit) => endIn(unit, instance, ending, requestId));
  }

  async function endIn(
    unit: Unit<T>,
    instance: InstanceRow,
    ending: 'stopped' | 'cancelled',
    requestId: string,
  ): Promise<Accepted> {
    const row = await readInstance(unit.tx, instance.name);
    if (!row || row.created_at !== instance.created_at) throw new AvkError('AVK_NOT_FOUND', `${instance.name} is gone`);
    if (row.state === 'scheduled') {
      throw new AvkError(
        'AVK_CONFLICT',
        `${row.name} is scheduled and does not run; pause or delete its schedule instead`,
      );
    }
    const accepted = (state: InstanceState, id = row.request_id): Accepted => ({
      instanceName: row.name,
      requestId: id,
      state,
    });
    if (ENDED.includes(row.state)) return accepted(row.state);
    // A stop that failed goes on by itself, under its own request.
    if (row.state === 'stopping') return accepted('stopping');
    if (ending === 'cancelled' && (await deps.rollouts.giveUp(unit, row, requestId))) return accepted(row.state);
    if (ending === 'cancelled' && !DEPLOYING.includes(row.state)) {
      throw new AvkError(
        'AVK_CONFLICT',
        `${row.name} is ${row.state}, there is no deployment to cancel; stop it instead`,
      );
    }
    const now = clock.now();
    const changed = { ...row, state: 'stopping' as const };
    await note(unit, events, changed, {
      at: now,
      kind: 'stopping',
      text: ending === 'cancelled' ? 'cancelling the deployment' : 'stopping',
    });
    // The launch still runs: taking it back is all there is to do, and it reports by itself.
    const launching = await sagas.cancel(unit, 'launch', row.name, 'cancelled on request');
    await sagas.cancel(unit, 'rollout', row.name, 'stopped on request');
    await unit.tx
      .updateTable('instances')
      .set({
        state: 'stopping',
        ending,
        reason: null,
        updated_at: now,
        ...(launching ? {} : { request_id: requestId }),
      })
      .where('name_key', '=', row.name_key)
      .execute();
    if (launching) return accepted('stopping');
    const { manifest } = JSON.parse(row.spec) as InstanceSpec;
    unit.send('DeploymentManager', 'stop app', { name: row.name }, requestId, {
      cancelled: ending === 'cancelled',
      stopSeconds: manifest.stopSeconds,
      app: { name: row.name, appName: row.app_name, generation: row.generation },
    });
    return accepted('stopping', requestId);
  }

  /** A name may be kept for a schedule: one that waits for its first start, or another user's between two of them. */
  async function refuseKept(unit: Unit<T>, { instanceName }: DeployRequest, by: string): Promise<void> {
    if (instanceName === undefined) return;
    const kept = await readKept(unit.tx, instanceName);
    if (!kept) return;
    const before = await readInstance(unit.tx, instanceName);
    if (kept.owner === by && before?.state !== 'scheduled') return;
    throw new AvkError('AVK_NAME_TAKEN', `${kept.name} is scheduled; delete its schedule first or choose another name`);
  }

  return {
    deploy: (request, by, key) => deploy(request, by, key),
    deployRequested: (name, requestId) =>
      deploy({ appName: name, instanceName: name }, MESSAGES_OWNER, `message ${requestId}`, { requestId }),
    deployScheduled: (unit, request, by, requestId) => deployIn(unit, request, by, requestId),
    draft,
    stopIn: (unit, instance) => endIn(unit, instance, 'stopped', random.uuid()),
    stop: (instance) => end(instance, 'stopped'),
    cancel: (instance) => end(instance, 'cancelled'),
    async scale(instance, wanted) {
      const requestId = random.uuid();
      const sagaId = random.uuid();
      return messenger.transaction(async (unit) => {
        await requireStarted(unit.tx);
        const row = await readInstance(unit.tx, instance.name);
        if (row?.state !== 'running' && row?.state !== 'degraded') {
          throw new AvkError(
            'AVK_CONFLICT',
            `${instance.name} is ${row?.state ?? 'gone'}; only a running instance can be scaled`,
          );
        }
        const spec = JSON.parse(row.spec) as InstanceSpec;
        const change = wanted.replicas === undefined ? wanted : { min: wanted.replicas, max: wanted.replicas };
        const scale = mergeScale({ ...spec.manifest, scale: spec.scale }, change);
        const now = clock.now();
        await unit.tx
          .updateTable('instances')
          .set({ spec: JSON.stringify({ ...spec, scale }), updated_at: now })
          .where('name_key', '=', row.name_key)
          .execute();
        const text = scale.min === scale.max ? `scaling to ${scale.min}` : `scaling to ${scale.min} to ${scale.max}`;
        await note(unit, events, row, { at: now, kind: 'scaling', text });
        // The newest wish counts: one that has not been told yet is given up.
        await sagas.cancel(unit, 'scale', row.name, 'replaced by a newer one');
        const context: ScaleContext = { generation: row.generation, scale: { min: scale.min, max: scale.max } };
        await sagas.begin(unit, 'scale', { id: sagaId, subject: row.name, requestId }, context);
        return { instanceName: row.name, requestId, state: row.state };
      });
    },
  };

  async function recall(unit: Unit<T>, owner: string, key: string, request: DeployRequest): Promise<Accepted | null> {
    await unit.tx
      .deleteFrom('idempotency')
      .where('at', '<', clock.now() - KEEP_IDEMPOTENCY_MS)
      .execute();
    const row = await unit.tx
      .selectFrom('idempotency')
      .selectAll()
      .where('owner', '=', owner)
      .where('key', '=', key)
      .executeTakeFirst();
    if (!row) return null;
    if (deps.secrets.open(row.request) !== JSON.stringify(request)) {
      throw new AvkError('AVK_UNACCEPTABLE', 'this Idempotency-Key was used for another request');
    }
    return JSON.parse(row.response) as Accepted;
  }

  async function remember(
    unit: Unit<T>,
    owner: string,
    key: string,
    request: DeployRequest,
    accepted: Accepted,
  ): Promise<void> {
    await unit.tx
      .insertInto('idempotency')
      .values({
        owner,
        key,
        request: deps.secrets.seal(JSON.stringify(request)),
        response: JSON.stringify(accepted),
        at: clock.now(),
      })
      .execute();
  }
}

/** What an instance that is deployed again ran before; null when that was another app. */
function previousVersion(before: InstanceRow, app: { name: string; version: string }): string | null {
  if (before.app_name !== app.name) return null;
  return before.version === app.version ? before.previous_version : before.version;
}

function mergeScale(manifest: Pick<Manifest, 'scale'>, wanted: Partial<Scale> | undefined): Scale {
  const given = Object.fromEntries(Object.entries(wanted ?? {}).filter(([, value]) => value !== undefined));
  const merged = { ...manifest.scale, ...given } as Scale;
  // Who names one bound only means it, also where it passes the manifest's other one.
  if (given.min !== undefined && given.max === undefined) merged.max = Math.max(merged.max, merged.min);
  if (given.max !== undefined && given.min === undefined) merged.min = Math.min(merged.min, merged.max);
  const parsed = scaleSchema.safeParse(merged);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map((issue) => ({
    path: `scale.${issue.path.join('.')}`,
    message: issue.message,
    received: JSON.stringify(merged),
  }));
  throw new AvkError('AVK_UNACCEPTABLE', `${errors[0]?.path}: ${errors[0]?.message}`, { errors });
}

async function firstFreeName(unit: Unit<T>, app: string): Promise<string> {
  const rows = await unit.tx.selectFrom('instances').select(['name_key', 'state']).execute();
  const kept = await unit.tx.selectFrom('schedules').select('name_key').where('over', '=', 0).execute();
  const live = rows.filter((row) => !ENDED.includes(row.state));
  const taken = new Set([...live, ...kept].map((row) => row.name_key));
  for (let n = 1; n < MOST_SUFFIXES; n += 1) {
    const suffix = `-${n}`;
    const name = `${app.slice(0, 63 - suffix.length)}${suffix}`;
    if (!taken.has(nameKey(name)) && !isReserved(name)) return name;
  }
  throw new AvkError('AVK_CONFLICT', `no name of the form ${app}-N is free`);
}
