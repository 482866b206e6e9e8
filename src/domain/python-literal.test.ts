import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsePythonLiteral } from './python-literal.ts';

describe('Python literals', () => {
  const cases: [string, unknown][] = [
    ['None', null],
    ['True', true],
    ['False', false],
    ['-12', -12],
    ['1e-07', 1e-7],
    ['.5', 0.5],
    [`'it''s'`.replace("''", "\\'"), "it's"],
    [`"it's"`, "it's"],
    [`'say "hi"'`, 'say "hi"'],
    [`'a\\\\b\\n\\t\\x00\\xe9\\u20ac\\U0001f600'`, 'a\\b\n\t\0é€😀'],
    [`'\\d stays'`, '\\d stays'],
    ['[]', []],
    ['{ }', {}],
    [`[1, 'a', [None], {'k': 2.5,},]`, [1, 'a', [null], { k: 2.5 }]],
    [` {'node_ip' : '10.0.0.1' , "port": 20000}\n`, { node_ip: '10.0.0.1', port: 20_000 }],
  ];
  for (const [text, expected] of cases) {
    test(`${JSON.stringify(text)}`, () => assert.deepEqual(parsePythonLiteral(text), expected));
  }

  test('a key named __proto__ is a key', () => {
    const read = parsePythonLiteral(`{'__proto__': {'admin': True}}`) as Record<string, unknown>;
    assert.deepEqual(Object.keys(read), ['__proto__']);
    assert.equal(Object.getPrototypeOf(read), Object.prototype);
    assert.equal(({} as { admin?: unknown }).admin, undefined);
  });

  for (const text of [
    '',
    '{',
    "{'a' 1}",
    "{'a': }",
    '{1: 2}',
    '[1 2]',
    '[,]',
    "'open",
    `'\\x4'`,
    `'\\U00110000'`,
    'nan',
    'Infinity',
    '1 2',
    'none',
    `b'x'`,
    '()',
  ]) {
    test(`refuses ${JSON.stringify(text)}, and says where`, () => {
      assert.throws(() => parsePythonLiteral(text), /expected .* at character \d+/);
    });
  }

  test('does not follow endless nesting', () => {
    assert.throws(() => parsePythonLiteral('['.repeat(100_000)), /less deeply nested/);
  });
});
