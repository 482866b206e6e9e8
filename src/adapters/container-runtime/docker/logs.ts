import { messageOf } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { LogLine } from '../../../ports/container-runtime.ts';
import { LineSplitter } from '../lines.ts';
import type { ContainerDetails } from './docker-answers.ts';
import { type DockerApi, hasStatus } from './docker-api.ts';

/** How often it is looked whether a container that ended was started again, or Docker is back. */
const LOOK_EVERY_MS = 500;

export interface ReadLogsOptions {
  api: DockerApi;
  clock: Clock;
  containerId: string;
  /** The replica's name. */
  replica: string;
  tail: number;
  follow: boolean;
  signal: AbortSignal;
  inspect: (containerId: string) => Promise<ContainerDetails | null>;
}

/** The lines of a container; followed over its ends and starts, and over those of Docker, until it is removed. */
export async function* readLogs(options: ReadLogsOptions): AsyncGenerator<LogLine> {
  const { clock, containerId, follow, signal, inspect } = options;
  if (!follow) {
    const lines: LogLine[] = [];
    for await (const line of read(options, { tail: options.tail })) lines.push(line);
    // Two streams are read by Docker side by side; `sort` keeps the order of those of one moment.
    yield* lines.sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0));
    return;
  }
  let last: string | null = null;
  let begun = options.tail === 0;
  if (begun) {
    // What is there already is not wanted, and the machine's own clock says up to when that is.
    for await (const { ts } of read({ ...options, follow: false }, { tail: 1 })) last = ts;
  }
  while (!signal.aborted) {
    try {
      const from: From = begun ? { since: after(last) } : { tail: options.tail };
      for await (const line of read(options, from)) {
        begun = true;
        last = line.ts;
        yield line;
      }
      begun = true;
      if (!(await inspect(containerId))) return;
    } catch (error) {
      if (signal.aborted) return;
      // Before the first line nobody would know what is missing.
      if (!begun) throw error;
    }
    try {
      await clock.sleep(LOOK_EVERY_MS, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
  }
}

type From = { tail: number } | { since: string };

async function* read(options: ReadLogsOptions, from: From): AsyncGenerator<LogLine> {
  const { api, containerId, replica, follow, signal } = options;
  const query = { stdout: true, stderr: true, timestamps: true, follow, ...from };
  const over = new AbortController();
  try {
    const answer = await api.stream('GET', `/containers/${containerId}/logs`, {
      query,
      signal: AbortSignal.any([signal, over.signal]),
    });
    yield* demultiplexed(answer, replica);
  } catch (error) {
    if (signal.aborted || hasStatus(error, 404, 409)) return;
    throw api.failed(error, `the log of ${replica}: ${messageOf(error)}`);
  } finally {
    over.abort();
  }
}

/** The moment after the last line's, as Docker wants it: seconds, a point, nine digits. */
function after(ts: string | null): string {
  if (ts === null) return '0';
  const [, fraction = '0'] = /\.(\d+)Z$/.exec(ts) ?? [];
  const nanoseconds = BigInt(fraction.padEnd(9, '0')) + 1n;
  const seconds = BigInt(Math.floor(Date.parse(ts) / 1000)) + nanoseconds / 1_000_000_000n;
  return `${seconds}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}`;
}

const STREAMS: Record<number, 'stdout' | 'stderr'> = { 1: 'stdout', 2: 'stderr' };
/** Docker cuts what an app writes into pieces of 16 KiB, and puts a time before each. */
const MAX_FRAME_BYTES = 1024 * 1024;

/**
 * Lines out of Docker's frames: a byte that says which stream, three of nothing, four with the length, then a time, a
 * space, and a line or, when it is long, a part of one.
 */
export async function* demultiplexed(bytes: AsyncIterable<Uint8Array>, replica: string): AsyncGenerator<LogLine> {
  const reading = { stdout: createReader(), stderr: createReader() };
  let rest = Buffer.alloc(0);
  for await (const piece of bytes) {
    rest = rest.length > 0 ? Buffer.concat([rest, piece]) : Buffer.from(piece);
    let at = 0;
    while (rest.length - at >= 8) {
      const length = rest.readUInt32BE(at + 4);
      const stream = STREAMS[rest[at] ?? 0];
      if (!stream || length > MAX_FRAME_BYTES) throw new Error('Docker sent a log that cannot be read');
      if (rest.length - at - 8 < length) break;
      for (const { ts, text } of reading[stream](rest.subarray(at + 8, at + 8 + length))) {
        yield { ts, replica, stream, line: text };
      }
      at += 8 + length;
    }
    rest = rest.subarray(at);
  }
  for (const stream of ['stdout', 'stderr'] as const) {
    for (const { ts, text } of reading[stream](null)) yield { ts, replica, stream, line: text };
  }
}

/** Puts the parts of one stream together; null ends it. */
function createReader() {
  const splitter = new LineSplitter();
  let begun: string | null = null;
  return (frame: Buffer | null): { ts: string; text: string }[] => {
    const space = frame ? frame.indexOf(0x20) : -1;
    if (frame && space > 0) begun ??= frame.subarray(0, space).toString('latin1');
    const flushed = frame ? null : splitter.flush();
    const lines = frame ? splitter.push(frame.subarray(space + 1), 0) : flushed ? [flushed] : [];
    const ts = begun ?? '';
    if (lines.length > 0) begun = null;
    return lines.map(({ text }) => ({ ts, text }));
  };
}
