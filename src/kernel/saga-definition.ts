import type { AvkError } from '../domain/errors.ts';
import type { Verb } from '../domain/message.ts';
import type { Message, Unit } from './messenger.ts';
import type { SagaFailure, SagaRow } from './saga-store.ts';

/**
 * One step of a saga. It is journaled before (`enter`) and after; between the two it either does something (`run`)
 * or waits for a message (`answer`). After a crash an entered step is run again, so `run` must find the work of its
 * predecessor and go on from there.
 */
export interface Step<Context, Tables> {
  name: string;
  /** Milliseconds for the whole step, retries included. Counted anew after a restart of the platform. */
  deadlineMs: (context: Context) => number;
  /** In the transaction that enters the step: the question to ask, the state to show. */
  enter?: (unit: Unit<Tables>, context: Context, saga: SagaRef) => Promise<void>;
  /** Returns what to add to the context. Retried while it fails with an error that may pass, and `recover` knows no other way. */
  run?: (context: Context, tools: StepTools) => Promise<Partial<Context>>;
  answer?: {
    verb: Verb;
    /** @throws AvkError to fail the step */
    accept: (context: Context, message: Message) => Partial<Context>;
  };
  /** Takes the step back; also called when it was entered and not finished. Must bear being called twice. */
  undo?: (context: Context, tools: StepTools) => Promise<void>;
  /** Where to go on when the step failed with this error: back to an earlier step with a changed context, or null to fail. */
  recover?: (error: AvkError, context: Context) => { step: string; context: Partial<Context> } | null;
}

export interface StepTools {
  /** Aborts at the deadline and when the saga is cancelled. */
  signal: AbortSignal;
  saga: SagaRef;
}

export interface SagaRef {
  id: string;
  kind: string;
  subject: string;
  requestId: string;
}

export interface SagaDefinition<Context, Tables> {
  kind: string;
  steps: readonly Step<Context, Tables>[];
  /** In the transaction that ends it. */
  onDone: (unit: Unit<Tables>, context: Context, saga: SagaRef) => Promise<void>;
  onFailed: (
    unit: Unit<Tables>,
    context: Context,
    saga: SagaRef,
    failure: SagaFailure & { cancelled: boolean },
  ) => Promise<void>;
}

export interface Sagas<Tables> {
  define<Context>(definition: SagaDefinition<Context, Tables>): void;
  /** Begins one; it runs once the unit's transaction is committed. */
  begin<Context>(unit: Unit<Tables>, kind: string, saga: Omit<SagaRef, 'kind'>, context: Context): Promise<void>;
  /** Asks a live saga to end and take its steps back. False when there is none. */
  cancel(unit: Unit<Tables>, kind: string, subject: string, reason: string): Promise<boolean>;
  /** The live saga of that kind about that subject. */
  find(unit: Unit<Tables>, kind: string, subject: string): Promise<SagaRef | null>;
  /** Goes on with all that a crash or a stop interrupted. */
  start(): Promise<void>;
  /** Lets go of all; they go on at the next start. */
  stop(): Promise<void>;
}

/** Any saga's, where the engine does not care for the context. */
export type AnyStep<Tables> = Step<unknown, Tables>;
export type AnyDefinition<Tables> = SagaDefinition<unknown, Tables>;

export function refOf(row: SagaRow): SagaRef {
  return { id: row.id, kind: row.kind, subject: row.subject, requestId: row.request_id };
}
