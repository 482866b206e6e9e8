/**
 * Reads what Python's `str()` prints of a dict, list, string, number, bool or None. The starting document sends
 * `ans-node$` + `str(res)`, so this is what its programs put on the wire.
 */
export function parsePythonLiteral(text: string): unknown {
  const reader = new Reader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r', '\\': '\\', "'": "'", '"': '"', '0': '\0' };
const DEEPEST = 50;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): unknown {
    if (depth > DEEPEST) throw this.#error('something less deeply nested');
    this.#space();
    const first = this.#text[this.#at];
    if (first === '{') return this.#dict(depth);
    if (first === '[') return this.#list(depth);
    if (first === "'" || first === '"') return this.#string(first);
    return this.#word();
  }

  end(): void {
    this.#space();
    if (this.#at < this.#text.length) throw this.#error('the end');
  }

  #dict(depth: number): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    this.#items('}', () => {
      const key = this.value(depth + 1);
      if (typeof key !== 'string') throw this.#error('a text as the key');
      this.#space();
      this.#take(':');
      entries.push([key, this.value(depth + 1)]);
    });
    // fromEntries defines own properties, so a key named __proto__ stays a key.
    return Object.fromEntries(entries);
  }

  #list(depth: number): unknown[] {
    const list: unknown[] = [];
    this.#items(']', () => list.push(this.value(depth + 1)));
    return list;
  }

  #items(close: string, item: () => void): void {
    this.#at += 1;
    for (;;) {
      this.#space();
      if (this.#text[this.#at] === close) {
        this.#at += 1;
        return;
      }
      item();
      this.#space();
      if (this.#text[this.#at] !== close) this.#take(',');
    }
  }

  #string(quote: string): string {
    let out = '';
    for (this.#at += 1; this.#at < this.#text.length; this.#at += 1) {
      const char = this.#text[this.#at] ?? '';
      if (char === quote) {
        this.#at += 1;
        return out;
      }
      out += char === '\\' ? this.#escape() : char;
    }
    throw this.#error(quote);
  }

  #escape(): string {
    this.#at += 1;
    const char = this.#text[this.#at] ?? '';
    const digits = { x: 2, u: 4, U: 8 }[char];
    if (digits === undefined) return ESCAPES[char] ?? `\\${char}`;
    const hex = this.#text.slice(this.#at + 1, this.#at + 1 + digits);
    const code = /^[0-9a-fA-F]+$/.test(hex) && hex.length === digits ? Number.parseInt(hex, 16) : Number.NaN;
    if (!(code <= 0x10ffff)) throw this.#error(`${digits} hexadecimal digits`);
    this.#at += digits;
    return String.fromCodePoint(code);
  }

  #word(): unknown {
    const word = /^[A-Za-z0-9_.+-]+/.exec(this.#text.slice(this.#at))?.[0] ?? '';
    this.#at += word.length;
    if (word === 'None') return null;
    if (word === 'True') return true;
    if (word === 'False') return false;
    const number = Number(word);
    if (word === '' || !Number.isFinite(number)) throw this.#error('a value');
    return number;
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at += 1;
  }

  #take(char: string): void {
    if (this.#text[this.#at] !== char) throw this.#error(char);
    this.#at += 1;
  }

  #error(expected: string): Error {
    return new Error(`expected ${expected} at character ${this.#at + 1}`);
  }
}
