import { closeSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { pino } from 'pino';
import type { Log } from '../../ports/log.ts';

export interface ServiceLog {
  log: Log;
  /** The last lines written, oldest first. */
  recent(): string[];
  close(): void;
}

export interface ServiceLogOptions {
  service: string;
  /** `/logs/<service>_logs.log` of the starting document. */
  file: string;
  level?: string;
}

const RECENT = 100;
/** A file that grew beyond this is set aside as `.1` and begun anew. */
const LARGEST_BYTES = 10 * 1024 * 1024;
/** Names whose values never reach a log. */
const SECRETS = ['password', 'token', 'authorization', 'secret', 'env', 'sealed'].flatMap((name) => [
  name,
  `*.${name}`,
]);

/** One JSON line per entry, to the service's own file. */
export function createServiceLog(options: ServiceLogOptions): ServiceLog {
  mkdirSync(dirname(options.file), { recursive: true, mode: 0o700 });
  const file = openLogFile(options.file);
  const recent: string[] = [];
  const logger = pino(
    {
      level: options.level ?? 'info',
      base: { service: options.service },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: SECRETS, censor: '***' },
    },
    {
      write(line: string) {
        recent.push(line.trimEnd());
        if (recent.length > RECENT) recent.shift();
        file.write(line);
      },
    },
  );
  return { log: logger, recent: () => [...recent], close: file.close };
}

/**
 * Written at once and line by line, so that the last words of a process that dies are there. A line that the disk has
 * no room for is lost and counted: a full disk must neither end nor stall the platform, which pino's own destination
 * does by trying for ever.
 */
function openLogFile(path: string): { write(line: string): void; close(): void } {
  let descriptor: number | null = openSync(path, 'a', 0o600);
  let size = statSync(path).size;
  let lost = 0;

  function rotate(): void {
    if (descriptor !== null) closeSync(descriptor);
    renameSync(path, `${path}.1`);
    descriptor = openSync(path, 'a', 0o600);
    size = 0;
  }

  return {
    write(line) {
      if (descriptor === null) return;
      try {
        if (size > LARGEST_BYTES) rotate();
        const note = lost > 0 ? `${JSON.stringify({ level: 40, lost, msg: 'log lines were lost' })}\n` : '';
        size += writeSync(descriptor, note + line);
        lost = 0;
      } catch {
        lost += 1;
      }
    },
    close() {
      if (descriptor !== null) closeSync(descriptor);
      descriptor = null;
    },
  };
}
