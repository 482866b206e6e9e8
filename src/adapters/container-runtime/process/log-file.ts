import {
  appendFileSync,
  closeSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { open, writeFile } from 'node:fs/promises';

/** When so many bytes had been seen. */
interface Mark {
  offset: number;
  /** Milliseconds since the Unix epoch. */
  ts: number;
}

/** Times are thinned beyond this: old lines get coarser times, and the index stays small. */
const MAX_MARKS = 4096;
const BLOCK_BYTES = 64 * 1024;
/** An app that writes without end must not hold the platform up for ever. */
const LATEST_BYTES = 8 * 1024 * 1024;

/**
 * One output file of an app, written by the app itself (O_APPEND, so that it can go on when the platform dies), and
 * bounded by us: once it is larger than `maxBytes`, its last half moves to `<path>.1` and it is emptied.
 *
 * Positions are logical: they count from the first byte ever written, whichever file holds it now.
 * `<path>.idx` holds `base previousStart`, then `offset ts` lines: bytes before `offset` were seen by `ts`.
 *
 * Small reads and the switch of files are synchronous on purpose: so no reader meets a file half switched.
 */
export class LogFile {
  readonly path: string;
  readonly #maxBytes: number;
  readonly #now: () => number;
  /** Position of the first byte of the current file. */
  #base = 0;
  /** `<path>.1` holds the bytes from here to `#previousEnd`; what lies between that and `#base` is lost. */
  #previousStart = 0;
  #previousEnd = 0;
  #marks: Mark[] = [];
  #rotating = false;
  #saving: Promise<void> = Promise.resolve();

  constructor(path: string, maxBytes: number, now: () => number) {
    this.path = path;
    this.#maxBytes = maxBytes;
    this.#now = now;
    this.#load();
  }

  get start(): number {
    return this.#previousEnd > this.#previousStart ? this.#previousStart : this.#base;
  }

  get end(): number {
    return this.#base + sizeOf(this.path);
  }

  /** Notes that all bytes there now were seen now. Called a few times a second. */
  observe(): void {
    const { end } = this;
    const last = this.#marks.at(-1);
    if (end <= (last?.offset ?? 0)) return;
    // The wall clock may be set back; lines of one stream stay in order all the same.
    this.#marks.push({ offset: end, ts: Math.max(this.#now(), last?.ts ?? 0) });
    if (this.#marks.length > MAX_MARKS) {
      this.#marks = this.#marks.filter((_, index) => index % 2 === 1 || index === this.#marks.length - 1);
      this.#save('all');
    } else {
      this.#save('last');
    }
  }

  /** When the byte at this position was seen, milliseconds since the Unix epoch. */
  timeAt(position: number): number {
    let low = 0;
    let high = this.#marks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#marks[middle]?.offset ?? 0) > position) high = middle;
      else low = middle + 1;
    }
    return this.#marks[low]?.ts ?? this.#now();
  }

  /**
   * Up to 64 KiB from a position on, ending before `to`; `offset` is where they really start when what was asked for
   * is gone. Null at the end.
   */
  read(from: number, to: number): { offset: number; bytes: Buffer } | null {
    const inPrevious = from < this.#previousEnd;
    const offset = Math.max(from, inPrevious ? this.start : this.#base);
    const limit = Math.min(to, inPrevious ? this.#previousEnd : this.end, offset + BLOCK_BYTES);
    if (limit <= offset) return null;
    const bytes = inPrevious
      ? readAt(`${this.path}.1`, offset - this.#previousStart, limit - offset)
      : readAt(this.path, offset - this.#base, limit - offset);
    return bytes.length > 0 ? { offset, bytes } : null;
  }

  /** Where the last `count` lines start. Reads backwards, no further than needed. */
  tailStart(count: number): number {
    let position = this.end;
    if (count <= 0) return position;
    let left = count;
    let atEnd = true;
    while (position > this.start) {
      if (position <= this.#base && position > this.#previousEnd) position = this.#previousEnd;
      const floor = position > this.#base ? this.#base : this.start;
      const from = Math.max(floor, position - BLOCK_BYTES);
      const block = this.read(from, position);
      if (!block) break;
      for (let index = block.bytes.length - 1; index >= 0; index -= 1) {
        // The newline at the very end belongs to the last line.
        if (block.bytes[index] === 0x0a && !atEnd) {
          left -= 1;
          if (left === 0) return from + index + 1;
        }
        atEnd = false;
      }
      position = from;
    }
    return this.start;
  }

  /** Keeps the file below its size. The app writes on meanwhile; of what it writes during the copy the first 8 MiB stay. */
  async rotateIfLarge(): Promise<void> {
    const size = sizeOf(this.path);
    if (size <= this.#maxBytes || this.#rotating) return;
    this.#rotating = true;
    try {
      const copied = await this.#copyEnd(size, Math.floor(this.#maxBytes / 2));
      const copiedTo = this.#copyLatest(size);
      this.observe();
      const end = Math.max(this.#base + copiedTo, this.#marks.at(-1)?.offset ?? 0);
      renameSync(`${this.path}.1.tmp`, `${this.path}.1`);
      truncateSync(this.path, 0);
      this.#previousStart = this.#base + size - copied;
      this.#previousEnd = this.#base + copiedTo;
      this.#base = end;
      this.#dropMarksBefore(this.#previousStart);
      this.#save('all');
    } finally {
      this.#rotating = false;
    }
  }

  /** Resolves when the index is on disk as far as noted. */
  saved(): Promise<void> {
    return this.#saving;
  }

  /** Copies about `bytes` from before `size` to `<path>.1.tmp`, from a line's start on. */
  async #copyEnd(size: number, bytes: number): Promise<number> {
    await using from = await open(this.path, 'r');
    await using to = await open(`${this.path}.1.tmp`, 'w', 0o600);
    const buffer = Buffer.alloc(BLOCK_BYTES);
    let position = size - bytes;
    let copied = 0;
    while (position < size) {
      const { bytesRead } = await from.read(buffer, 0, Math.min(BLOCK_BYTES, size - position), position);
      if (bytesRead === 0) break;
      const skip = copied === 0 ? buffer.subarray(0, bytesRead).indexOf(0x0a) + 1 : 0;
      if (bytesRead > skip) await to.write(buffer, skip, bytesRead - skip);
      copied += bytesRead - skip;
      position += bytesRead;
    }
    return copied;
  }

  /**
   * Adds what has come since: the last words of an app are what is looked for in its log. Synchronous, so that next to
   * nothing comes between the last look and the emptying. Returns up to where it is copied.
   */
  #copyLatest(from: number): number {
    let position = from;
    while (position < from + LATEST_BYTES) {
      const bytes = readAt(this.path, position, BLOCK_BYTES);
      if (bytes.length === 0) break;
      appendFileSync(`${this.path}.1.tmp`, bytes);
      position += bytes.length;
    }
    return position;
  }

  #dropMarksBefore(position: number): void {
    const first = this.#marks.findIndex((mark) => mark.offset > position);
    this.#marks = first < 0 ? this.#marks.slice(-1) : this.#marks.slice(first);
  }

  #load(): void {
    let text = '';
    try {
      text = readFileSync(`${this.path}.idx`, 'utf8');
    } catch {
      // None yet: all that is there counts as seen when it is first observed.
    }
    const rows = text.split('\n').map((line) => line.split(' ').map(Number));
    const [base, previousStart] = rows[0] ?? [];
    this.#base = base || 0;
    this.#marks = rows.slice(1).flatMap(([offset, ts]) => (offset && ts ? [{ offset, ts }] : []));
    const seen = this.#marks.at(-1)?.offset ?? 0;
    // The file was emptied, and the platform died before it noted that: what is in it now comes after all that was seen.
    if (seen > this.end) this.#base = seen;
    const previousSize = sizeOf(`${this.path}.1`);
    this.#previousStart = Math.min(previousStart || 0, this.#base);
    if (this.#previousStart + previousSize > this.#base) this.#previousStart = this.#base - previousSize;
    this.#previousEnd = this.#previousStart + previousSize;
  }

  /** In the order noted, off the main path: a busy disk must not hold the platform up. A lost index only costs times. */
  #save(what: 'all' | 'last'): void {
    const mark = this.#marks.at(-1);
    const header = `${this.#base} ${this.#previousStart}\n`;
    const all = what === 'all' || this.#marks.length <= 1;
    const text = (all ? this.#marks : mark ? [mark] : []).map(({ offset, ts }) => `${offset} ${ts}\n`).join('');
    this.#saving = this.#saving
      .then(() => writeFile(`${this.path}.idx`, all ? header + text : text, { flag: all ? 'w' : 'a', mode: 0o600 }))
      .catch(() => undefined);
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function readAt(path: string, position: number, length: number): Buffer {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return Buffer.alloc(0);
  }
  try {
    const buffer = Buffer.alloc(length);
    return buffer.subarray(0, readSync(file, buffer, 0, length, position));
  } finally {
    closeSync(file);
  }
}
