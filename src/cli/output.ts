import { AvkError, messageOf } from '../domain/errors.ts';

/** Prints an error for a person and returns the exit status. */
export function reportError(error: unknown): number {
  const code = error instanceof AvkError ? ` (${error.code})` : '';
  process.stderr.write(`avishkar: ${messageOf(error)}${code}\n`);
  if (error instanceof AvkError) {
    for (const entry of error.errors.slice(1)) {
      const received = entry.received === undefined ? '' : `, got ${entry.received}`;
      process.stderr.write(`  ${entry.path}: ${entry.message}${received}\n`);
    }
    for (const line of error.lastLogLines) process.stderr.write(`  | ${line}\n`);
  }
  return 1;
}
