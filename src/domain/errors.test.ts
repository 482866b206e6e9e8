import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { AvkError, asAvkError, ERRORS, type ErrorCode, messageOf } from './errors.ts';

const CODES = Object.keys(ERRORS) as ErrorCode[];
const DOCUMENT = new URL('../../docs/errors.md', import.meta.url);

describe('errors', () => {
  test('docs/errors.md has one row per code, with its status, its meaning and what to do next', () => {
    const rows = readFileSync(DOCUMENT, 'utf8')
      .split('\n')
      .flatMap((line) => {
        const match = /^\| <a id="(\w+)"><\/a>`(\w+)` +\| (\d+) +\| (.+?) +\| (.+?) +\|$/.exec(line);
        return match
          ? [{ anchor: match[1], code: match[2], status: Number(match[3]), means: match[4], next: match[5] }]
          : [];
      });
    assert.deepEqual(rows.map(({ code }) => code).sort(), [...CODES].sort());
    for (const { anchor, code, status, means = '', next = '' } of rows) {
      assert.equal(anchor, code);
      assert.equal(status, ERRORS[code as ErrorCode].status, `status of ${code}`);
      assert.ok(means.length > 20 && next.length > 10, `${code} is explained`);
    }
  });

  for (const code of CODES) {
    test(`${code} has a status of HTTP's and a title`, () => {
      const { status, title } = ERRORS[code];
      assert.ok(Number.isInteger(status) && status >= 400 && status <= 599);
      assert.match(title, /^(app\.json |[A-Z]).*[^.]$/);
      assert.match(code, /^AVK_[A-Z]+(_[A-Z]+)*$/);
      assert.equal(new AvkError(code, 'x').status, status);
    });
  }

  test('what is answered with 503 may be tried again, unless it says otherwise', () => {
    assert.equal(new AvkError('AVK_NO_NODE', 'x').retryable, true);
    assert.equal(new AvkError('AVK_NO_NODE', 'x', { retryable: false }).retryable, false);
    assert.equal(new AvkError('AVK_CONFLICT', 'x').retryable, false);
  });

  test('any thrown value has a sentence, and becomes an AvkError with itself as the cause', () => {
    const own = new AvkError('AVK_CONFLICT', 'busy');
    assert.equal(asAvkError(own), own);
    const plain = new Error('odd');
    assert.deepEqual(
      [asAvkError(plain).code, asAvkError(plain).message, asAvkError(plain).cause],
      ['AVK_INTERNAL', 'odd', plain],
    );
    assert.deepEqual([messageOf('text'), messageOf(undefined), asAvkError(7).message], ['text', 'undefined', '7']);
  });
});
