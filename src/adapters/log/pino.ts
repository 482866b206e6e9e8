import { mkdirSync, renameSync, statSync } from 'node:fs';
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
const CHECK_EVERY_LINES = 200;
/** Names whose values never reach a log. */
const SECRETS = ['password', 'token', 'authorization', 'secret', 'env', 'sealed'].flatMap((name) => [
  name,
  `*.${name}`,
]);

/** One JSON line per entry, to the service's own file. */
export function createServiceLog(options: ServiceLogOptions): ServiceLog {
  mkdirSync(dirname(options.file), { recursive: true, mode: 0o700 });
  const destination = pino.destination({ dest: options.file, sync: false, minLength: 0, append: true, mode: 0o600 });
  // A log that cannot be written (a full disk) must not end the platform; the lines are lost, `recent` keeps them.
  destination.on('error', () => undefined);
  const recent: string[] = [];
  let written = 0;

  function write(line: string): void {
    recent.push(line.trimEnd());
    if (recent.length > RECENT) recent.shift();
    destination.write(line);
    written += 1;
    if (written % CHECK_EVERY_LINES === 0) rotate();
  }

  function rotate(): void {
    const size = statSync(options.file, { throwIfNoEntry: false })?.size ?? 0;
    if (size < LARGEST_BYTES) return;
    renameSync(options.file, `${options.file}.1`);
    destination.reopen();
  }

  const logger = pino(
    {
      level: options.level ?? 'info',
      base: { service: options.service },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: SECRETS, censor: '***' },
    },
    { write },
  );
  return {
    log: logger,
    recent: () => [...recent],
    close() {
      try {
        destination.flushSync();
      } catch (error) {
        // Not opened yet, or the disk is full: there is nowhere left to say so but here.
        process.stderr.write(`${options.file}: ${String(error)}\n`);
      }
      destination.end();
    },
  };
}
