import { AvkError } from '../../domain/errors.ts';
import { ENDED } from '../../domain/instance.ts';
import type { Schedule } from '../../domain/schedule.ts';
import type { Principal } from '../../kernel/auth.ts';
import type { Events } from '../../kernel/events.ts';
import type { Messenger, Unit } from '../../kernel/messenger.ts';
import type { SecretBox } from '../../kernel/secret-box.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Random } from '../../ports/random.ts';
import { maySee } from './access.ts';
import { type DeployRequest, type Instances, MESSAGES_OWNER } from './instances.ts';
import { requireStarted } from './platform-gate.ts';
import { changeSchedule, readKept, readScheduleRow, readSchedules, type ScheduleRow } from './schedule-store.ts';
import { type ApplicationManagerTables, type InstanceRow, readInstance } from './store.ts';
import { type LiveEvent, note } from './timeline.ts';

type T = ApplicationManagerTables;

/** What users ask of schedules. Times are the scheduler's; kept here is what is deployed, and what came of it. */
export interface Schedules {
  create(
    request: DeployRequest,
    schedule: Schedule,
    by: Principal,
  ): Promise<{ scheduleId: string; instanceName: string }>;
  /** One that a program made with the bare text: base app NAME as instance NAME with defaults. */
  adopt(unit: Unit<T>, scheduleId: string, name: string, schedule: Schedule): Promise<void>;
  /** Another user's is as good as none. @throws AvkError AVK_NOT_FOUND */
  find(by: Principal, scheduleId: string): Promise<ScheduleRow>;
  list(by: Principal): Promise<ScheduleRow[]>;
  /** Deletes the schedule. What it started runs on unless `stop` is set. Says what happened. */
  remove(row: ScheduleRow, stop: boolean): Promise<string>;
  /**
   * Puts a line on the instance's timeline and on the live stream, and keeps it as the schedule's last outcome.
   * `failed`: somebody ought to look at it.
   */
  tell(unit: Unit<T>, row: ScheduleRow, text: string, failed?: boolean): Promise<void>;
}

export interface SchedulesDeps {
  messenger: Messenger<T>;
  instances: Instances;
  database: Database<T>;
  events: Events<LiveEvent>;
  secrets: SecretBox;
  clock: Clock;
  random: Random;
}

export function createSchedules(deps: SchedulesDeps): Schedules {
  const { messenger, instances, database, events, secrets, clock, random } = deps;

  /** Keeps the name for the schedule, and lets it be seen as `scheduled` unless it is in use. */
  async function keep(
    unit: Unit<T>,
    id: string,
    request: DeployRequest,
    schedule: Schedule,
    by: { name: string; mayReplace: (before: InstanceRow) => boolean },
  ): Promise<ScheduleRow> {
    const { row, before } = await instances.draft(unit, request, by.name, id);
    const kept = await readKept(unit.tx, row.name);
    if (kept) {
      const message = `${kept.name} has a schedule already; delete that one first or choose another instanceName`;
      throw new AvkError('AVK_NAME_TAKEN', message);
    }
    const free = !before || ENDED.includes(before.state);
    if (before && !free && !(schedule.overlap === 'replace' && by.mayReplace(before))) {
      const how = 'stop it first, choose another instanceName, or let the schedule replace it (overlap: replace)';
      throw new AvkError('AVK_NAME_TAKEN', `${before.name} is ${before.state}; ${how}`);
    }
    if (free) {
      await unit.tx.deleteFrom('instances').where('name_key', '=', row.name_key).execute();
      const scheduled = { ...row, state: 'scheduled' as const, generation: before?.generation ?? 0 };
      await unit.tx.insertInto('instances').values(scheduled).execute();
    }
    const made: ScheduleRow = {
      id,
      name_key: row.name_key,
      name: row.name,
      owner: by.name,
      app_name: row.app_name,
      version: request.version ?? null,
      request: secrets.seal(JSON.stringify({ ...request, instanceName: row.name })),
      schedule: JSON.stringify(schedule),
      over: 0,
      waiting: null,
      running: null,
      running_since: null,
      last_at: null,
      last_text: null,
      last_failed: 0,
      created_at: clock.now(),
    };
    await unit.tx.insertInto('schedules').values(made).execute();
    const rhythm = schedule.recurrence === null ? 'once' : schedule.recurrence;
    const first = new Date(schedule.start).toISOString();
    await note(
      unit,
      events,
      { name: made.name, created_by: made.owner, state: free ? 'scheduled' : (before?.state ?? 'scheduled') },
      { at: made.created_at, kind: 'scheduled', text: `scheduled from ${first} on: ${rhythm}` },
    );
    return made;
  }

  async function tell(unit: Unit<T>, row: ScheduleRow, text: string, failed = false): Promise<void> {
    const at = clock.now();
    await changeSchedule(unit.tx, row.id, { last_at: at, last_text: text, last_failed: failed ? 1 : 0 });
    const instance = await readInstance(unit.tx, row.name);
    const state = instance?.state ?? 'scheduled';
    await note(unit, events, { name: row.name, created_by: row.owner, state }, { at, kind: 'schedule', text });
    publish(unit, row, text, at);
  }

  function publish(unit: Unit<T>, { id, owner }: ScheduleRow, text: string, at: number): void {
    unit.after(() => events.publish({ owner, type: 'schedule', scheduleId: id, text, at: new Date(at).toISOString() }));
  }

  return {
    async create(request, schedule, by) {
      const id = random.uuid();
      return messenger.transaction(async (unit) => {
        await requireStarted(unit.tx);
        const mayReplace = (before: InstanceRow): boolean => before.created_by === by.name;
        const made = await keep(unit, id, request, schedule, { name: by.name, mayReplace });
        const start = new Date(schedule.start).toISOString();
        const end = schedule.end === null ? '' : new Date(schedule.end).toISOString();
        unit.send('Scheduler', 'schedule app', { name: made.name, start, end }, id, {
          scheduleId: id,
          schedule,
          madeAt: made.created_at,
        });
        publish(unit, made, `${made.name} is scheduled`, made.created_at);
        return { scheduleId: id, instanceName: made.name };
      });
    },
    async adopt(unit, scheduleId, name, schedule) {
      const request: DeployRequest = { appName: name, instanceName: name };
      try {
        const made = await keep(unit, scheduleId, request, schedule, { name: MESSAGES_OWNER, mayReplace: () => true });
        publish(unit, made, `${name} is scheduled by a message`, made.created_at);
      } catch (error) {
        if (!(error instanceof AvkError)) throw error;
        unit.send('Scheduler', 'unschedule app', { name }, `${scheduleId}/refused`, { scheduleId });
        unit.send('first_topic', 'error schedule', { name, reason: error.message }, scheduleId, { scheduleId });
      }
    },
    async find(by, scheduleId) {
      const row = await readScheduleRow(database.read, scheduleId);
      if (!row || !maySee(by, row.owner)) throw new AvkError('AVK_NOT_FOUND', `there is no schedule ${scheduleId}`);
      return row;
    },
    async list(by) {
      return (await readSchedules(database.read)).filter((row) => maySee(by, row.owner));
    },
    tell,
    async remove({ id }, stop) {
      return messenger.transaction(async (unit) => {
        const row = await readScheduleRow(unit.tx, id);
        if (!row) throw new AvkError('AVK_NOT_FOUND', `there is no schedule ${id}`);
        const instance = await readInstance(unit.tx, row.name);
        await tell(unit, row, 'the schedule was deleted');
        await unit.tx.deleteFrom('schedules').where('id', '=', id).execute();
        unit.send('Scheduler', 'unschedule app', { name: row.name }, `${id}/deleted`, { scheduleId: id });
        if (instance?.state === 'scheduled' && row.over === 0) {
          await unit.tx.deleteFrom('instances').where('name_key', '=', row.name_key).execute();
          return `${row.name} was scheduled only, and is gone with its schedule`;
        }
        if (!runsFor(row, instance)) return `nothing that the schedule started is running`;
        if (!stop) return `${row.name} runs on; stop it with stopApp, or delete with ?stop=true`;
        await instances.stopIn(unit, instance);
        return `${row.name} is being stopped`;
      });
    },
  };
}

/** Whether the instance is the very one that the schedule's last occurrence started, and lives. */
export function runsFor(row: ScheduleRow, instance: InstanceRow | undefined): instance is InstanceRow {
  return instance !== undefined && instance.created_at === row.running_since && !ENDED.includes(instance.state);
}
