import { setImmediate as breathe } from 'node:timers/promises';
import type { Clock } from '../../../ports/clock.ts';
import type { LogLine } from '../../../ports/container-runtime.ts';
import { type Line, LineSplitter } from '../lines.ts';
import type { LogFile } from './log-file.ts';

/** How often a follower looks for new lines. */
const FOLLOW_EVERY_MS = 250;
/** What one look takes from a file at most, so that an app that floods its log does not fill our memory. */
const LOOK_BYTES = 1024 * 1024;

export interface ReadLogsOptions {
  replica: string;
  files: { stdout: LogFile; stderr: LogFile };
  tail: number;
  follow: boolean;
  signal: AbortSignal;
  clock: Clock;
  /** True while the app writes: its last line may not be complete. */
  running: () => boolean;
  /** True once the container is removed, or the runtime closed. */
  over: () => boolean;
}

interface Cursor {
  stream: 'stdout' | 'stderr';
  file: LogFile;
  splitter: LineSplitter;
  position: number;
}

interface TimedLine extends Line {
  stream: 'stdout' | 'stderr';
  ts: number;
}

/** Lines of both streams in the order in which the platform saw them; within a quarter of a second that is not known. */
export async function* readLogs(options: ReadLogsOptions): AsyncGenerator<LogLine> {
  const { files, tail, follow, signal, clock, running, over, replica } = options;
  const cursors: Cursor[] = (['stdout', 'stderr'] as const).map((stream) => {
    const file = files[stream];
    file.observe();
    return { stream, file, splitter: new LineSplitter(), position: file.tailStart(tail) };
  });
  const told = (line: TimedLine): LogLine => ({
    ts: new Date(line.ts).toISOString(),
    replica,
    stream: line.stream,
    line: line.text,
  });

  // Up to what is there now: an app that writes faster than we read must not keep us here.
  const ends = cursors.map((cursor) => cursor.file.end);
  const recent = merge((await Promise.all(cursors.map((cursor, index) => readTo(cursor, ends[index] ?? 0)))).flat());
  if (!follow || !running()) recent.push(...rest(cursors));
  merge(recent);
  for (const line of recent.slice(tail > 0 ? -tail : recent.length)) {
    if (signal.aborted) return;
    yield told(line);
  }

  while (follow && !signal.aborted && !over()) {
    const done = !running();
    const lines = (await Promise.all(cursors.map(look))).flat();
    for (const line of merge(done ? [...lines, ...rest(cursors)] : lines)) {
      if (signal.aborted) return;
      yield told(line);
    }
    if (cursors.some((cursor) => cursor.position < cursor.file.end)) continue;
    try {
      await clock.sleep(FOLLOW_EVERY_MS, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
  }
}

/** The complete lines that came, up to a limit. */
function look(cursor: Cursor): Promise<TimedLine[]> {
  cursor.file.observe();
  return readTo(cursor, Math.min(cursor.file.end, cursor.position + LOOK_BYTES));
}

async function readTo(cursor: Cursor, end: number): Promise<TimedLine[]> {
  const lines: TimedLine[] = [];
  while (cursor.position < end) {
    const block = cursor.file.read(cursor.position, end);
    if (!block) {
      cursor.position = end;
      break;
    }
    // Lines between were lost; what came before them does not belong to what comes after.
    if (block.offset > cursor.position) lines.push(...timed(cursor, cursor.splitter.flush()));
    for (const line of cursor.splitter.push(block.bytes, block.offset)) lines.push(...timed(cursor, line));
    cursor.position = block.offset + block.bytes.length;
    await breathe();
  }
  return lines;
}

/** What the streams end with, without a newline. */
function rest(cursors: Cursor[]): TimedLine[] {
  return cursors.flatMap((cursor) => timed(cursor, cursor.splitter.flush()));
}

function timed(cursor: Cursor, line: Line | null): TimedLine[] {
  return line ? [{ ...line, stream: cursor.stream, ts: cursor.file.timeAt(line.offset) }] : [];
}

/** `sort` is stable: lines of one stream stay in order. */
function merge(lines: TimedLine[]): TimedLine[] {
  return lines.sort((a, b) => a.ts - b.ts);
}
