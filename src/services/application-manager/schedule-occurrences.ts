import { z } from 'zod';
import { AvkError } from '../../domain/errors.ts';
import { ENDED } from '../../domain/instance.ts';
import type { Schedule } from '../../domain/schedule.ts';
import type { Message, Messenger, Unit } from '../../kernel/messenger.ts';
import type { SecretBox } from '../../kernel/secret-box.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { type DeployRequest, type Instances, MESSAGES_OWNER } from './instances.ts';
import { changeSchedule, readScheduleRow, readWaiting, type ScheduleRow } from './schedule-store.ts';
import { runsFor, type Schedules } from './schedules.ts';
import { type ApplicationManagerTables, type InstanceRow, readInstance } from './store.ts';

type T = ApplicationManagerTables;

export interface OccurrencesDeps {
  messenger: Messenger<T>;
  instances: Instances;
  schedules: Schedules;
  secrets: SecretBox;
  clock: Clock;
  log: Log;
  /** Told `its-time.<what>.before|after` around what each message leads to. The kill tests end the process there. */
  onJournal?: ((point: string) => void) | undefined;
}

export interface Occurrences {
  /** In the transaction in which an instance ended: what waited for its name starts. */
  ended(unit: Unit<T>, name: string): Promise<void>;
  /** Resolves when the scheduler has the schedule, or after a while without it. */
  known(scheduleId: string): Promise<void>;
}

const accepted = z.object({ scheduleId: z.string(), schedule: z.unknown(), foreign: z.boolean().default(false) });
const due = z.object({
  scheduleId: z.string(),
  occurrence: z.string(),
  end: z.string().nullish(),
  replaced: z.boolean().default(false),
  late: z.boolean().default(false),
  /** Nothing comes after it. */
  last: z.boolean().default(false),
});

const KNOWN_WITHIN_MS = 3000;

/** What the scheduler says on `first_topic`, and what it makes of the instances. Each message counts once. */
export function handleOccurrences(deps: OccurrencesDeps): Occurrences {
  const { messenger, instances, schedules, clock, log } = deps;
  const waiting = new Map<string, () => void>();

  messenger.onCommand('done schedule app', async (unit, message) => {
    const { scheduleId, schedule, foreign } = accepted.parse(message.data);
    if (foreign) await schedules.adopt(unit, scheduleId, message.fields.name, schedule as Schedule);
    unit.after(() => waiting.get(scheduleId)?.());
  });

  messenger.onCommand('its time', async (unit, message) => {
    const found = await scheduleOf(unit, message);
    if (!found) return;
    const { row, data } = found;
    journal(unit, 'started');
    const next = { ...row, over: data.last ? 1 : 0 };
    await changeSchedule(unit.tx, row.id, { over: next.over });
    const instance = await readInstance(unit.tx, row.name);
    if (!instance || instance.state === 'scheduled' || ENDED.includes(instance.state)) {
      await start(unit, next, data.occurrence);
      return;
    }
    const blocked = whyBlocked(row, instance);
    if (blocked) {
      await schedules.tell(unit, next, `its time ${data.occurrence} was left out: ${blocked}`);
      return;
    }
    await changeSchedule(unit.tx, row.id, { waiting: data.occurrence });
    await schedules.tell(unit, next, `its time ${data.occurrence} has come: it starts when the one before has ended`);
    if (instance.state !== 'stopping') await instances.stopIn(unit, instance);
  });

  messenger.onCommand('its end time', async (unit, message) => {
    const found = await scheduleOf(unit, message);
    if (!found) return;
    const { row, data } = found;
    journal(unit, 'ended');
    await changeSchedule(unit.tx, row.id, { over: data.last ? 1 : 0 });
    if (row.waiting === data.occurrence) {
      await changeSchedule(unit.tx, row.id, { waiting: null });
      await schedules.tell(unit, row, `the occurrence of ${data.occurrence} ended before it could start`);
      return;
    }
    if (row.running !== data.occurrence) return;
    const instance = await readInstance(unit.tx, row.name);
    await changeSchedule(unit.tx, row.id, { running: null });
    if (!runsFor(row, instance) || instance.state === 'stopping') {
      const why = instance && !ENDED.includes(instance.state) && instance.state !== 'stopping';
      const what = why ? 'what runs now was deployed by hand' : `it is ${instance?.state ?? 'gone'} already`;
      await schedules.tell(unit, row, `the occurrence of ${data.occurrence} is over; nothing is stopped, as ${what}`);
      return;
    }
    const cause = data.replaced ? 'is replaced by the next one' : 'is over';
    await schedules.tell(unit, row, `the occurrence of ${data.occurrence} ${cause}: stopping`);
    await instances.stopIn(unit, instance);
  });

  messenger.onCommand('skipped its time', async (unit, message) => {
    const found = await scheduleOf(unit, message);
    if (!found) return;
    const { row, data } = found;
    await changeSchedule(unit.tx, row.id, { over: data.last ? 1 : 0 });
    const text = `its time ${data.occurrence} was left out: ${message.fields.reason}`;
    if (data.last) await neverStarted(unit, row, 'cancelled', text);
    await schedules.tell(unit, row, text);
  });

  /** The schedule that the message is about; one that was deleted is deleted at the scheduler, too. */
  async function scheduleOf(
    unit: Unit<T>,
    message: Message<'its time' | 'its end time' | 'skipped its time'>,
  ): Promise<{ row: ScheduleRow; data: z.infer<typeof due> } | null> {
    const data = due.parse(message.data);
    const row = await readScheduleRow(unit.tx, data.scheduleId);
    if (row) return { row, data };
    log.info({ scheduleId: data.scheduleId, verb: message.verb }, 'of a schedule that was deleted');
    const requestId = `${data.scheduleId}/unknown`;
    unit.send('Scheduler', 'unschedule app', { name: message.fields.name }, requestId, { scheduleId: data.scheduleId });
    return null;
  }

  async function start(unit: Unit<T>, row: ScheduleRow, occurrence: string): Promise<void> {
    const request = JSON.parse(deps.secrets.open(row.request)) as DeployRequest;
    try {
      // What is refused is refused before anything is written.
      await instances.deployScheduled(unit, request, row.owner, requestOf(row, occurrence));
    } catch (error) {
      if (!(error instanceof AvkError)) throw error;
      await changeSchedule(unit.tx, row.id, { waiting: null });
      const text = `its time ${occurrence} has come, and it could not start: ${error.message}`;
      if (row.over === 1) await neverStarted(unit, row, 'failed', text);
      await schedules.tell(unit, row, text, true);
      if (row.owner === MESSAGES_OWNER) {
        const fields = { name: row.name, reason: error.message };
        unit.send('first_topic', 'error deploy', fields, requestOf(row, occurrence), { code: error.code });
      }
      return;
    }
    const instance = await readInstance(unit.tx, row.name);
    await changeSchedule(unit.tx, row.id, {
      waiting: null,
      running: occurrence,
      running_since: instance?.created_at ?? null,
    });
    await schedules.tell(unit, row, `its time ${occurrence} has come: deploying`);
  }

  /** The last start came to nothing: the instance, if it is scheduled still, is not any more. */
  async function neverStarted(
    unit: Unit<T>,
    row: ScheduleRow,
    state: 'cancelled' | 'failed',
    reason: string,
  ): Promise<void> {
    await unit.tx
      .updateTable('instances')
      .set({ state, reason, updated_at: clock.now() })
      .where('name_key', '=', row.name_key)
      .where('state', '=', 'scheduled')
      .execute();
  }

  function journal(unit: Unit<T>, what: string): void {
    deps.onJournal?.(`its-time.${what}.before`);
    unit.after(() => deps.onJournal?.(`its-time.${what}.after`));
  }

  return {
    async ended(unit, name) {
      const row = await readWaiting(unit.tx, name);
      if (!row?.waiting) return;
      journal(unit, 'waited');
      await start(unit, row, row.waiting);
    },
    async known(scheduleId) {
      await new Promise<void>((resolve) => {
        const timer = clock.after(KNOWN_WITHIN_MS, resolve, { background: true });
        waiting.set(scheduleId, () => {
          timer.cancel();
          resolve();
        });
      });
      waiting.delete(scheduleId);
    },
  };
}

/** Why an occurrence does not start although it is time; null when it may, once what has the name has ended. */
function whyBlocked(row: ScheduleRow, instance: InstanceRow): string | null {
  if (instance.created_by !== row.owner) return `another user's instance has the name ${instance.name}`;
  // On its way out: its name is free in a moment.
  if (instance.state === 'stopping') return null;
  const { overlap } = JSON.parse(row.schedule) as Schedule;
  return overlap === 'replace' ? null : `${instance.name} is ${instance.state} already (overlap: skip)`;
}

/** The same for every telling of the same occurrence. */
function requestOf(row: ScheduleRow, occurrence: string): string {
  return `${row.id}/${occurrence}`;
}
