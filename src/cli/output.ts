import { AvkError, messageOf } from '../domain/errors.ts';
import { type Paint, painter, printable } from './format.ts';

/** Where a command says what it found. Human text and JSON never mix on stdout. */
export interface Output {
  json: boolean;
  paint: Paint;
  /** True when a person watches stdout. */
  watched: boolean;
  /** For a person; nothing with --json. */
  say(text: string): void;
  /** Progress and hints of a person, on stderr; nothing with --json. */
  hint(text: string): void;
  /** The one document of --json, or one line of many with `compact`. */
  document(value: unknown, form?: 'compact'): void;
}

export function createOutput(json: boolean): Output {
  return {
    json,
    paint: painter(process.stdout, process.env),
    watched: process.stdout.isTTY === true,
    say(text) {
      if (!json) process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
    },
    hint(text) {
      if (!json) process.stderr.write(`${text}\n`);
    },
    document(value, form) {
      process.stdout.write(`${form === 'compact' ? JSON.stringify(value) : JSON.stringify(value, null, 2)}\n`);
    },
  };
}

/** A reader that went away, as `head` does, is no failure. */
export function surviveClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit(process.exitCode ?? 0);
    });
  }
}

/** Prints an error for a person, with `json` also as the document on stdout, and returns the exit status. */
export function reportError(error: unknown, json = false): number {
  if (json) process.stdout.write(`${JSON.stringify({ error: describe(error) }, null, 2)}\n`);
  const code = error instanceof AvkError ? ` (${error.code})` : '';
  process.stderr.write(`avishkar: ${messageOf(error)}${code}\n`);
  if (error instanceof AvkError) {
    const [first] = error.errors;
    const rest = first && error.message.includes(first.message) ? error.errors.slice(1) : error.errors;
    if (first && rest.length < error.errors.length && first.received !== undefined) {
      process.stderr.write(`  got ${first.received}\n`);
    }
    for (const entry of rest) {
      const received = entry.received === undefined ? '' : `, got ${entry.received}`;
      process.stderr.write(`  ${entry.path}: ${entry.message}${received}\n`);
    }
    for (const line of error.lastLogLines) process.stderr.write(`  | ${printable(line, false)}\n`);
  }
  return 1;
}

function describe(error: unknown): Record<string, unknown> {
  if (!(error instanceof AvkError)) return { code: 'AVK_INTERNAL', detail: messageOf(error), errors: [] };
  const { code, message: detail, errors, lastLogLines } = error;
  return { code, detail, errors, ...(lastLogLines.length > 0 ? { lastLogLines } : {}) };
}
