/** One directive of an NGINX configuration, with its place in the text. */
export interface Directive {
  name: string;
  args: string[];
  /** Offset of its first character. */
  start: number;
  /** Offset after its `;` or `}`. */
  end: number;
  /** What stands between its braces; null without braces. Not read further inside `…_by_lua_block`. */
  block: Directive[] | null;
}

interface Token {
  text: string;
  /** A word, or one of `;` `{` `}`. */
  word: boolean;
  start: number;
  end: number;
}

/** Reads a configuration. What is not well formed ends the list early: NGINX itself says what is wrong with it. */
export function parseConf(text: string): Directive[] {
  return parseBlock({ text, at: 0 });
}

interface Reader {
  readonly text: string;
  at: number;
}

function parseBlock(reader: Reader): Directive[] {
  const found: Directive[] = [];
  let words: Token[] = [];
  for (;;) {
    const token = next(reader);
    if (token === null) return found;
    if (token.word) {
      words.push(token);
      continue;
    }
    const [first, ...rest] = words;
    words = [];
    if (token.text === '}') return found;
    if (first === undefined) continue;
    let block: Directive[] | null = null;
    if (token.text === '{') {
      if (first.text.endsWith('_by_lua_block')) skipBraces(reader);
      block = first.text.endsWith('_by_lua_block') ? [] : parseBlock(reader);
    }
    found.push({ name: first.text, args: rest.map((each) => each.text), start: first.start, end: reader.at, block });
  }
}

function next(reader: Reader): Token | null {
  const { text } = reader;
  for (;;) {
    while (/\s/.test(text[reader.at] ?? '')) reader.at++;
    if (text[reader.at] !== '#') break;
    const end = text.indexOf('\n', reader.at);
    reader.at = end < 0 ? text.length : end;
  }
  const start = reader.at;
  const character = text[start];
  if (character === undefined) return null;
  if (';{}'.includes(character)) {
    reader.at++;
    return { text: character, word: false, start, end: reader.at };
  }
  if (character === '"' || character === "'") return quoted(reader, character);
  let word = '';
  for (;;) {
    const each = text[reader.at];
    if (each === undefined || /[\s;]/.test(each)) break;
    // `${name}` is a variable, not a block.
    if (each === '{' && text[reader.at - 1] !== '$') break;
    if (each === '}' && !/\$\{\w*$/.test(word)) break;
    word += each;
    reader.at++;
  }
  return { text: word, word: true, start, end: reader.at };
}

function quoted(reader: Reader, quote: string): Token {
  const start = reader.at;
  let word = '';
  reader.at++;
  while (reader.at < reader.text.length && reader.text[reader.at] !== quote) {
    if (reader.text[reader.at] === '\\') reader.at++;
    word += reader.text[reader.at] ?? '';
    reader.at++;
  }
  reader.at = Math.min(reader.at + 1, reader.text.length);
  return { text: word, word: true, start, end: reader.at };
}

/** Past the brace that closes a block of Lua. */
function skipBraces(reader: Reader): void {
  for (let depth = 1; depth > 0 && reader.at < reader.text.length; ) {
    const character = reader.text[reader.at] ?? '';
    if (character === '"' || character === "'") {
      quoted(reader, character);
      continue;
    }
    if (character === '{') depth++;
    if (character === '}') depth--;
    reader.at++;
  }
}
