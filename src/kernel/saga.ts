import { AvkError, asAvkError, messageOf } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Database } from '../ports/database.ts';
import type { Log } from '../ports/log.ts';
import { withDeadline } from './deadline.ts';
import type { Message, Messenger, Unit } from './messenger.ts';
import type { Metrics } from './metrics.ts';
import { type AnyDefinition, type AnyStep, refOf, type Sagas } from './saga-definition.ts';
import { errorOf, failureOf, triedInVain } from './saga-failure.ts';
import { createSagaMeter } from './saga-metrics.ts';
import {
  forgetSagas,
  type JournalEvent,
  LIVE,
  readSaga,
  type SagaFailure,
  type SagaRow,
  type SagaTables,
  sagaTables,
  writeSaga,
} from './saga-store.ts';

export interface SagaOptions<Tables> {
  database: Database<Tables>;
  messenger: Messenger<Tables>;
  clock: Clock;
  log: Log;
  /** How long aborted work may take to end before its step is taken back anyway. Default 5 s. */
  settleMs?: number;
  /** Told `<kind>.<step>.<event>.before|after` around each journal transaction. The kill tests end the process there. */
  onJournal?: (point: string) => void;
  /** Absent: nothing is counted. */
  metrics?: Metrics | undefined;
}

const UNDO_DEADLINE_MS = 60_000;
const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 2000;
/** As long as the inbox remembers commands. */
const KEEP_MS = 7 * 24 * 3600 * 1000;
const SETTLE_MS = 5000;

interface LiveSaga {
  /** Ends the step: a cancel, or a stop. */
  abort: AbortController;
  /** Ends the taking back: a stop only, as a cancel wants it done. */
  letGo: AbortController;
  wake: () => void;
  done: Promise<void>;
}

/** Why a saga that runs in this process should stop what it does. */
class Cancelled extends Error {}
class Stopping extends Error {}

export function createSagas<Tables extends SagaTables>(options: SagaOptions<Tables>): Sagas<Tables> {
  const { database, messenger, clock, log } = options;
  const definitions = new Map<string, AnyDefinition<Tables>>();
  /** Sagas under way in this process: how to interrupt the step, and how to wake one that waits for an answer. */
  const live = new Map<string, LiveSaga>();
  const meter = createSagaMeter(options.metrics, messenger.service, clock);
  let stopping = false;

  const read = (id: string): Promise<SagaRow | null> => readSaga(sagaTables(database.read), id);

  /** One journal entry with everything that belongs to it, in one transaction. */
  async function journal(
    row: SagaRow,
    step: string,
    event: JournalEvent,
    change: Partial<Omit<SagaRow, 'id'>>,
    also?: (unit: Unit<Tables>) => Promise<void>,
  ): Promise<SagaRow> {
    const point = `${row.kind}.${step}.${event}`;
    options.onJournal?.(`${point}.before`);
    await messenger.transaction(async (unit) => {
      await writeSaga(sagaTables(unit.tx), row.id, change, { step, event }, clock.now());
      await also?.(unit);
    });
    journaled(row, step, event);
    return { ...row, ...change };
  }

  function journaled(row: SagaRow, step: string, event: JournalEvent): void {
    meter(row, step, event);
    options.onJournal?.(`${row.kind}.${step}.${event}.after`);
  }

  function definitionOf(row: SagaRow): AnyDefinition<Tables> {
    const definition = definitions.get(row.kind);
    if (!definition) throw new AvkError('AVK_INTERNAL', `no saga of kind ${row.kind} is defined`);
    return definition;
  }

  function drive(id: string): void {
    if (stopping || live.has(id)) return;
    const entry: LiveSaga = {
      abort: new AbortController(),
      letGo: new AbortController(),
      wake: () => undefined,
      done: Promise.resolve(),
    };
    live.set(id, entry);
    entry.done = advance(id, entry)
      .catch((error) => {
        if (error instanceof Stopping) return;
        log.error({ saga: id, reason: messageOf(error) }, 'a saga was interrupted; it goes on shortly');
        if (!stopping) clock.after(1000, () => drive(id), { background: true });
      })
      .finally(() => live.delete(id));
  }

  async function advance(id: string, entry: LiveSaga): Promise<void> {
    for (;;) {
      const row = await read(id);
      if (!row || !LIVE.includes(row.state)) return;
      if (stopping) throw new Stopping();
      if (row.state === 'compensating') {
        await compensate(row);
        return;
      }
      if (row.cancel_reason !== null) {
        const step = definitionOf(row).steps[row.step];
        await fail(row, step?.name ?? 'end', new AvkError('AVK_CANCELLED', row.cancel_reason));
        continue;
      }
      // A cancel since the row was read has aborted the signal: it stays so, and the step ends at once.
      await take(row, entry);
    }
  }

  /** Enters the row's step if need be and carries it out; or ends the saga after its last one. */
  async function take(start: SagaRow, entry: LiveSaga): Promise<void> {
    const definition = definitionOf(start);
    const step = definition.steps[start.step];
    const context = JSON.parse(start.context) as unknown;
    if (!step) {
      await finish(start, definition, context);
      return;
    }
    let row = start;
    if (row.entered === 0) {
      row = await journal(row, step.name, 'entered', { entered: 1 }, async (unit) =>
        step.enter?.(unit, context, refOf(row)),
      );
    }
    try {
      if (step.answer) {
        await waitForAnswer(row, step, entry);
        return;
      }
      const added = await runStep(row, step, context, entry.abort.signal);
      // A cancel that came while the step ended is seen by the next turn of the loop, with the step's result on record.
      const change = { step: row.step + 1, entered: 0, context: JSON.stringify({ ...(context as object), ...added }) };
      await journal(row, step.name, 'finished', change, (unit) => goOn(unit, { ...row, ...change }));
    } catch (error) {
      if (error instanceof Stopping) throw error;
      if (error instanceof Cancelled) return;
      await recoverOrFail(row, step, context, asAvkError(error));
    }
  }

  /**
   * What follows a step that was just journaled as finished, in the same transaction: the next step is entered, or the
   * saga ended. One commit less per step. A cancel that came meanwhile is left to the next turn of the loop.
   */
  async function goOn(unit: Unit<Tables>, row: SagaRow): Promise<void> {
    const tx = sagaTables(unit.tx);
    const now = await readSaga(tx, row.id);
    if (now?.cancel_reason != null) return;
    const definition = definitionOf(row);
    const next = definition.steps[row.step];
    const context = JSON.parse(row.context) as unknown;
    if (next) {
      await writeSaga(tx, row.id, { entered: 1 }, { step: next.name, event: 'entered' }, clock.now());
      await next.enter?.(unit, context, refOf(row));
    } else {
      await writeSaga(tx, row.id, { state: 'done' }, { step: 'end', event: 'ended' }, clock.now());
      await definition.onDone(unit, context, refOf(row));
    }
    unit.after(() => (next ? journaled(row, next.name, 'entered') : journaled(row, 'end', 'ended')));
  }

  /** Ends a saga that went well, unless it was cancelled in the last moment: then the next turn takes it back. */
  async function finish(row: SagaRow, definition: AnyDefinition<Tables>, context: unknown): Promise<void> {
    try {
      await journal(row, 'end', 'ended', { state: 'done' }, async (unit) => {
        const now = await readSaga(sagaTables(unit.tx), row.id);
        if (now?.cancel_reason != null) throw new Cancelled(now.cancel_reason);
        await definition.onDone(unit, context, refOf(row));
      });
    } catch (error) {
      if (!(error instanceof Cancelled)) throw error;
    }
  }

  async function runStep(
    row: SagaRow,
    step: AnyStep<Tables>,
    context: unknown,
    cancelled: AbortSignal,
  ): Promise<object> {
    let last: AvkError | null = null;
    async function attempts(signal: AbortSignal): Promise<object> {
      for (let wait = FIRST_RETRY_MS; ; wait = Math.min(wait * 2, LONGEST_RETRY_MS)) {
        try {
          return ((await step.run?.(context, { signal, saga: refOf(row) })) ?? {}) as object;
        } catch (error) {
          if (signal.aborted || !(error instanceof AvkError) || !error.retryable) throw error;
          // Another way is better than the same one again.
          if (step.recover?.(error, context)) throw error;
          last = error;
          log.info({ saga: row.id, step: step.name, reason: error.message }, 'the step is tried again');
          await clock.sleep(wait, signal);
        }
      }
    }
    let work: Promise<object> = Promise.resolve({});
    const run = withDeadline(
      clock,
      step.deadlineMs(context),
      `${step.name} of ${row.subject}`,
      (signal) => {
        work = attempts(signal);
        return work;
      },
      cancelled,
    );
    return run.catch(async (error) => {
      await settled(work, cancelled);
      throw last && error instanceof AvkError && error.code === 'AVK_DEADLINE' ? triedInVain(error, last) : error;
    });
  }

  /** Gives aborted work a moment to end before it is taken back: what it is just making would slip past. */
  async function settled(work: Promise<object>, cancelled: AbortSignal): Promise<void> {
    if (cancelled.reason instanceof Stopping) return;
    const enough = new AbortController();
    const ended = work.then(
      () => undefined,
      () => undefined,
    );
    await Promise.race([ended, clock.sleep(options.settleMs ?? SETTLE_MS, enough.signal).catch(() => undefined)]);
    enough.abort();
  }

  async function waitForAnswer(row: SagaRow, step: AnyStep<Tables>, entry: LiveSaga): Promise<void> {
    const what = `${step.name} of ${row.subject}`;
    await withDeadline(
      clock,
      step.deadlineMs(JSON.parse(row.context)),
      what,
      async (signal) => {
        for (;;) {
          const woken = new Promise<void>((resolve) => {
            entry.wake = resolve;
          });
          // Read after the wake is in place: an answer between the two is not missed.
          const now = await read(row.id);
          if (now?.state !== 'running' || now.step !== row.step) return;
          if (now.failure) throw errorOf(JSON.parse(now.failure) as SagaFailure);
          await woken;
          signal.throwIfAborted();
        }
      },
      entry.abort.signal,
    );
  }

  /** In the transaction of the message: an answer counts iff a step of a saga of this request waits for it. */
  async function acceptAnswer(unit: Unit<Tables>, message: Message): Promise<void> {
    const tx = sagaTables(unit.tx);
    const rows = await tx
      .selectFrom('sagas')
      .selectAll()
      .where('request_id', '=', message.requestId)
      .where('state', '=', 'running')
      .execute();
    for (const row of rows) {
      const step = definitionOf(row).steps[row.step];
      // One that was answered with something to fail on does not wait any more.
      if (row.entered !== 1 || row.failure !== null || step?.answer?.verb !== message.verb) continue;
      const context = JSON.parse(row.context) as object;
      const change = answerChange(row, step, context, message);
      const event: JournalEvent = change.failure ? 'failed' : 'finished';
      await writeSaga(tx, row.id, change, { step: step.name, event }, clock.now());
      unit.after(() => journaled(row, step.name, event));
      if (event === 'finished') await goOn(unit, { ...row, ...change });
      unit.after(() => live.get(row.id)?.wake());
      return;
    }
    log.debug({ requestId: message.requestId, verb: message.verb }, 'an answer that nobody waits for');
  }

  function answerChange(
    row: SagaRow,
    step: AnyStep<Tables>,
    context: object,
    message: Message,
  ): Partial<Omit<SagaRow, 'id'>> {
    try {
      const added = step.answer?.accept(context, message) as object;
      return { step: row.step + 1, entered: 0, context: JSON.stringify({ ...context, ...added }) };
    } catch (error) {
      return { failure: JSON.stringify(failureOf(step.name, asAvkError(error))) };
    }
  }

  async function recoverOrFail(row: SagaRow, step: AnyStep<Tables>, context: unknown, error: AvkError): Promise<void> {
    const recovery = step.recover?.(error, context);
    const target = recovery ? definitionOf(row).steps.findIndex((other) => other.name === recovery.step) : -1;
    if (!recovery || target < 0) {
      await fail(row, step.name, error);
      return;
    }
    log.info({ saga: row.id, step: step.name, reason: error.message }, `going back to ${recovery.step}`);
    await journal(row, step.name, 'failed', {
      step: target,
      entered: 0,
      failure: null,
      context: JSON.stringify({ ...(context as object), ...(recovery.context as object) }),
    });
  }

  async function fail(row: SagaRow, step: string, error: AvkError): Promise<void> {
    const failure = JSON.stringify(failureOf(step, error));
    // A step that was not entered has nothing to take back.
    const undoFrom = row.entered === 1 ? row.step : row.step - 1;
    await journal(row, step, 'failed', { state: 'compensating', step: undoFrom, entered: 1, failure });
  }

  /** Takes the steps back, from the one in the row to the first, then ends the saga. */
  async function compensate(start: SagaRow): Promise<void> {
    const definition = definitionOf(start);
    const context = JSON.parse(start.context) as unknown;
    let row = start;
    for (; row.step >= 0; ) {
      if (stopping) throw new Stopping();
      const step = definition.steps[row.step];
      const event = step ? await undoStep(row, step, context) : 'undone';
      row = await journal(row, step?.name ?? 'end', event, { step: row.step - 1 });
    }
    const failure = JSON.parse(row.failure ?? '{}') as SagaFailure;
    const cancelled = failure.code === 'AVK_CANCELLED';
    await journal(row, 'end', 'ended', { state: cancelled ? 'cancelled' : 'failed' }, (unit) =>
      definition.onFailed(unit, context, refOf(row), { ...failure, cancelled }),
    );
  }

  async function undoStep(row: SagaRow, step: AnyStep<Tables>, context: unknown): Promise<JournalEvent> {
    const undo = step.undo;
    if (!undo) return 'undone';
    const what = `taking back ${step.name} of ${row.subject}`;
    try {
      await withDeadline(
        clock,
        UNDO_DEADLINE_MS,
        what,
        async (signal) => {
          for (let wait = FIRST_RETRY_MS; ; wait = Math.min(wait * 2, LONGEST_RETRY_MS)) {
            try {
              await undo(context, { signal, saga: refOf(row) });
              return;
            } catch (error) {
              if (signal.aborted) throw error;
              log.warn({ saga: row.id, step: step.name, reason: messageOf(error) }, `${what} failed; trying again`);
              await clock.sleep(wait, signal);
            }
          }
        },
        live.get(row.id)?.letGo.signal,
      );
      return 'undone';
    } catch (error) {
      if (stopping) throw new Stopping();
      log.error({ saga: row.id, step: step.name, reason: messageOf(error) }, `${what} was given up`);
      return 'undo-failed';
    }
  }

  return {
    define(definition) {
      definitions.set(definition.kind, definition as unknown as AnyDefinition<Tables>);
      for (const step of definition.steps) {
        if (step.answer) messenger.onAnswer(step.answer.verb, acceptAnswer);
      }
    },
    async begin(unit, kind, saga, context) {
      const now = clock.now();
      await sagaTables(unit.tx)
        .insertInto('sagas')
        .values({
          id: saga.id,
          kind,
          subject: saga.subject,
          request_id: saga.requestId,
          state: 'running',
          step: 0,
          entered: 0,
          context: JSON.stringify(context),
          failure: null,
          cancel_reason: null,
          created_at: now,
          updated_at: now,
        })
        .execute();
      unit.after(() => drive(saga.id));
    },
    async cancel(unit, kind, subject, reason) {
      const row = await findLive(unit, kind, subject);
      if (!row) return false;
      await sagaTables(unit.tx)
        .updateTable('sagas')
        .set({ cancel_reason: reason, updated_at: clock.now() })
        .where('id', '=', row.id)
        .where('cancel_reason', 'is', null)
        .execute();
      unit.after(() => {
        if (row.state === 'running') live.get(row.id)?.abort.abort(new Cancelled(reason));
      });
      return true;
    },
    async find(unit, kind, subject) {
      const row = await findLive(unit, kind, subject);
      return row ? refOf(row) : null;
    },
    async start() {
      await database.transaction((tx) => forgetSagas(sagaTables(tx), clock.now() - KEEP_MS));
      const rows = await sagaTables(database.read)
        .selectFrom('sagas')
        .select('id')
        .where('state', 'in', LIVE)
        .orderBy('created_at')
        .execute();
      for (const row of rows) drive(row.id);
    },
    async stop() {
      stopping = true;
      const waiting = [...live.values()].map((entry) => {
        entry.abort.abort(new Stopping());
        entry.letGo.abort(new Stopping());
        return entry.done;
      });
      await Promise.all(waiting);
    },
  };

  async function findLive(unit: Unit<Tables>, kind: string, subject: string): Promise<SagaRow | undefined> {
    return sagaTables(unit.tx)
      .selectFrom('sagas')
      .selectAll()
      .where('kind', '=', kind)
      .where('subject', '=', subject)
      .where('state', 'in', LIVE)
      .executeTakeFirst();
  }
}
