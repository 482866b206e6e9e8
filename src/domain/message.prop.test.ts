import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatEnvelope, formatText, parseEnvelope, parseText, TOPICS } from './message.ts';
import { parsePythonLiteral } from './python-literal.ts';

/** What Python's `repr()` gives: CPython's choice of quotes and escapes. */
function repr(value: unknown): string {
  if (value === null) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value === 'number') return reprNumber(value);
  if (typeof value === 'string') return reprString(value);
  if (Array.isArray(value)) return `[${value.map(repr).join(', ')}]`;
  return `{${Object.entries(value as object)
    .map(([key, item]) => `${repr(key)}: ${repr(item)}`)
    .join(', ')}}`;
}

function reprNumber(value: number): string {
  if (Object.is(value, -0)) return '-0.0';
  // Python pads the exponent to two digits: 1e-07.
  return String(value).replace(/e([+-])(\d)$/, 'e$10$2');
}

function reprString(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let out = '';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    const named = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t', [quote]: `\\${quote}` }[char];
    if (named !== undefined) out += named;
    else if (/[\p{C}\p{Z}]/u.test(char) && char !== ' ') {
      if (code <= 0xff) out += `\\x${code.toString(16).padStart(2, '0')}`;
      else if (code <= 0xffff) out += `\\u${code.toString(16).padStart(4, '0')}`;
      else out += `\\U${code.toString(16).padStart(8, '0')}`;
    } else out += char;
  }
  return `${quote}${out}${quote}`;
}

const anyText = fc.string({ unit: 'binary' });
const field = anyText.filter((text) => !text.includes('$'));
const value = fc.jsonValue({ maxDepth: 6 });

test('any reason comes back as it was sent', () => {
  fc.assert(
    fc.property(field, anyText, (name, reason) => {
      assert.deepEqual(parseText(formatText('error deploy', { name, reason })), {
        verb: 'error deploy',
        fields: { name, reason },
      });
    }),
  );
  fc.assert(
    fc.property(field, field, anyText, (name, state, reason) => {
      const fields = { name, state, reason };
      assert.deepEqual(parseText(formatText('state app', fields)), { verb: 'state app', fields });
    }),
  );
});

test('what Python prints is read as it was meant', () => {
  fc.assert(
    // Through JSON on both sides: it has no -0, and Python has.
    fc.property(value, (given) => assert.equal(JSON.stringify(parsePythonLiteral(repr(given))), JSON.stringify(given))),
  );
  fc.assert(fc.property(anyText, (text) => assert.equal(parsePythonLiteral(repr(text)), text)));
});

test('an envelope survives JSON and Python alike', () => {
  const envelope = fc.record({
    to_topic: fc.constantFrom(...TOPICS),
    from_topic: fc.string({ maxLength: 50 }),
    request_id: fc.string({ minLength: 1, maxLength: 50 }),
    msg: anyText,
    // Zod leaves a key named __proto__ out of a record, which is as well.
    data: fc.dictionary(
      fc.string().filter((key) => key !== '__proto__'),
      value,
    ),
  });
  fc.assert(
    fc.property(envelope, (given) => {
      const plain = JSON.parse(JSON.stringify(given)) as typeof given;
      assert.deepEqual(JSON.parse(JSON.stringify(parseEnvelope(formatEnvelope(given)))), plain);
      assert.deepEqual(JSON.parse(JSON.stringify(parseEnvelope(repr(given)))), plain);
    }),
  );
});

test('no text at all makes the reader do anything but answer or throw', () => {
  const characters = fc.string({ unit: fc.constantFrom(...`{}[]'",:\\ xuU0129.eE+-NoneTrueFalse\n`.split('')) });
  fc.assert(
    fc.property(characters, (text) => {
      try {
        parsePythonLiteral(text);
      } catch (error) {
        assert.match((error as Error).message, /^expected .* at character \d+$/s);
      }
    }),
  );
});
