import { canBecome, INSTANCE_STATES, type InstanceSpec, type InstanceState } from '../../domain/instance.ts';
import type { Events } from '../../kernel/events.ts';
import type { Message, Messenger, Unit } from '../../kernel/messenger.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { rolloutOf } from './rollout-state.ts';
import { type ApplicationManagerTables, type InstanceRow, readInstance } from './store.ts';
import { type LiveEvent, note } from './timeline.ts';

type T = ApplicationManagerTables;

export interface ReportsDeps {
  messenger: Messenger<T>;
  events: Events<LiveEvent>;
  clock: Clock;
  log: Log;
  /** What follows from an instance's end in the same transaction. */
  onEnding: (unit: Unit<T>, name: string) => Promise<void>;
  /** Told which bundles an instance that ended does not need any more, after the commit. */
  onUseless: (specs: readonly InstanceSpec[]) => void;
}

export interface Reports {
  /** A launch that did not get as far as the deployment manager. */
  launchFailed(unit: Unit<T>, requestId: string, name: string, reason: string): Promise<void>;
}

/** What comes back on `first_topic`, and what it makes of the instances. A report on another request than the present one is old news. */
export function handleReports(deps: ReportsDeps): Reports {
  const { messenger, events, clock, log } = deps;

  messenger.onAnswer('progress deploy', async (unit, message) => {
    const row = await current(unit, message);
    const state = INSTANCE_STATES.find((known) => known === message.fields.state);
    if (!row || !state || !canBecome(row.state, state)) return;
    const node = textOf(message.data.node);
    const reason = textOf(message.data.reason);
    if (reason) await note(unit, events, row, { at: clock.now(), kind: 'placed', text: reason });
    await become(unit, row, state, node ? `${state} on ${node}` : 'looking for the healthiest machine', {
      ...(node ? { node } : {}),
    });
  });

  messenger.onAnswer('done deployed', async (unit, message) => {
    const row = await current(unit, message);
    if (!row) return;
    const endpoint = `http://${message.fields.endpoint}`;
    const vm = message.data.vm as { name?: string } | undefined;
    const spec = JSON.parse(row.spec) as InstanceSpec;
    // More than one replica is wanted: the load balancer says when they are there.
    const state = spec.scale.min > 1 && row.state !== 'running' ? 'routing' : 'running';
    if (row.state !== state && !canBecome(row.state, state)) return;
    await become(unit, row, state, `serving at ${endpoint}`, { endpoint, node: vm?.name ?? row.node });
  });

  messenger.onAnswer('error deploy', async (unit, message) => {
    const row = await current(unit, message, { alsoWhileStopping: true });
    if (!row) return;
    await ended(
      unit,
      row,
      message.fields.reason,
      Array.isArray(message.data.lastLogLines) ? message.data.lastLogLines : [],
    );
  });

  messenger.onAnswer('done stopped', async (unit, message) => {
    const row = await current(unit, message);
    if (row?.state !== 'stopping') return;
    await ended(unit, row, '', []);
  });

  messenger.onAnswer('error stop', async (unit, message) => {
    const row = await current(unit, message);
    if (row?.state !== 'stopping') return;
    const reason = `could not be stopped yet, and is tried again: ${message.fields.reason}`;
    // It is told of each try.
    if (row.reason === reason) return;
    await become(unit, row, 'stopping', reason, { reason });
  });

  messenger.onAnswer('state app', async (unit, message) => {
    const row = await readInstance(unit.tx, message.fields.name);
    const state = message.fields.state === 'running' ? 'running' : 'degraded';
    if (!row || row.generation !== message.data.generation) return;
    if (!['routing', 'running', 'degraded'].includes(row.state)) return;
    const reason = message.fields.reason || null;
    const healthy = Number(message.data.healthy);
    const text = reason ?? (healthy === 1 ? '1 replica is healthy' : `${healthy} replicas are healthy`);
    await become(unit, row, state, text, { reason });
  });

  /** The instance, if the message answers its present request. */
  async function current(
    unit: Unit<T>,
    message: Message<'progress deploy' | 'done deployed' | 'error deploy' | 'done stopped' | 'error stop'>,
    options: { alsoWhileStopping?: boolean } = {},
  ): Promise<InstanceRow | null> {
    const row = await readInstance(unit.tx, message.fields.name);
    if (row?.request_id === message.requestId) return row;
    // A stop takes a deployment under way back, and that reports under the deployment's own id.
    const app = message.data.app as { generation?: number } | undefined;
    if (options.alsoWhileStopping && row?.state === 'stopping' && app?.generation === row.generation) return row;
    log.debug({ instance: message.fields.name, verb: message.verb }, 'a report on an older request');
    return null;
  }

  async function ended(unit: Unit<T>, row: InstanceRow, reason: string, lines: readonly unknown[]): Promise<void> {
    const state: InstanceState = row.state === 'stopping' ? (row.ending ?? 'stopped') : 'failed';
    const failed = state === 'failed';
    await become(unit, row, state, failed ? reason : state, {
      reason: failed ? reason : null,
      last_log_lines: failed ? JSON.stringify(lines.map(String)) : null,
      endpoint: null,
      ending: null,
      rollout: null,
    });
    await deps.onEnding(unit, row.name);
    const others = rolloutOf(row)?.candidates.map(({ spec }) => spec) ?? [];
    unit.after(() => deps.onUseless([JSON.parse(row.spec) as InstanceSpec, ...others]));
  }

  async function become(
    unit: Unit<T>,
    row: InstanceRow,
    state: InstanceState,
    text: string,
    change: Partial<InstanceRow>,
  ): Promise<void> {
    const at = clock.now();
    await unit.tx
      .updateTable('instances')
      .set({ ...change, state, updated_at: at })
      .where('name_key', '=', row.name_key)
      .execute();
    await note(unit, events, { ...row, state }, { at, kind: state, text });
  }

  return {
    async launchFailed(unit, requestId, name, reason) {
      const row = await readInstance(unit.tx, name);
      if (row?.request_id === requestId) await ended(unit, row, reason, []);
    },
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
