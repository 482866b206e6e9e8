import { AvkError, type ErrorCode } from '../domain/errors.ts';
import type { SagaFailure } from './saga-store.ts';

/** An error in the form that survives a restart. */
export function failureOf(step: string, error: AvkError): SagaFailure {
  return { code: error.code, reason: error.message, step, lastLogLines: error.lastLogLines };
}

/** What kept the step from succeeding until its deadline says more than that it took too long, and `recover` goes by it. */
export function triedInVain(deadline: AvkError, last: AvkError): AvkError {
  return new AvkError(last.code, `${deadline.message}; the last try failed: ${last.message}`, {
    cause: last,
    lastLogLines: last.lastLogLines,
  });
}

export function errorOf(failure: SagaFailure): AvkError {
  return new AvkError(failure.code as ErrorCode, failure.reason, { lastLogLines: failure.lastLogLines });
}
