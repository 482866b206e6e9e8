/** Lines longer than this are cut, so that no app can make the platform hold an endless one. */
const MAX_LINE_BYTES = 16 * 1024;

export interface Line {
  text: string;
  /** Of its first byte. */
  offset: number;
}

/** Cuts bytes that come in pieces into lines. Holds at most one line of at most 16 KiB. */
export class LineSplitter {
  #parts: Buffer[] = [];
  #kept = 0;
  #cut = false;
  #start: number | null = null;

  /** `offset`: position of the chunk's first byte. */
  push(chunk: Buffer, offset: number): Line[] {
    const lines: Line[] = [];
    let from = 0;
    while (from < chunk.length) {
      const newline = chunk.indexOf(0x0a, from);
      const to = newline < 0 ? chunk.length : newline;
      this.#start ??= offset + from;
      this.#keep(chunk.subarray(from, to));
      if (newline < 0) break;
      const line = this.flush();
      if (line) lines.push(line);
      from = newline + 1;
    }
    return lines;
  }

  /** What came after the last newline, if anything. */
  flush(): Line | null {
    if (this.#start === null) return null;
    const bytes = Buffer.concat(this.#parts);
    const text = this.#cut ? `${wholeCharacters(bytes)}…` : bytes.toString().replace(/\r$/, '');
    const line = { text, offset: this.#start };
    this.#parts = [];
    this.#kept = 0;
    this.#cut = false;
    this.#start = null;
    return line;
  }

  #keep(piece: Buffer): void {
    const room = MAX_LINE_BYTES - this.#kept;
    if (piece.length > room) this.#cut = true;
    if (room <= 0 || piece.length === 0) return;
    // A copy: the caller may use its buffer again, and a view would keep all of it alive.
    this.#parts.push(Buffer.from(piece.subarray(0, room)));
    this.#kept += Math.min(room, piece.length);
  }
}

/** Text of bytes that were cut anywhere, without half a character at the end. */
function wholeCharacters(bytes: Buffer): string {
  let end = bytes.length;
  // At most three bytes of a character can be missing the rest.
  for (let back = 1; back <= 3 && back <= bytes.length; back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0b1100_0000) === 0b1000_0000) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    if (length > back) end = bytes.length - back;
    break;
  }
  return bytes.subarray(0, end).toString();
}
