import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { quote } from './quote.ts';

/** What a shell makes of a text: its arguments. */
function throughShell(text: string): string[] {
  const out = execFileSync('sh', ['-c', `printf '%s\\0' ${text}`], { encoding: 'utf8' });
  return out.split('\0').slice(0, -1);
}

test('a shell takes quoted arguments apart into what they were', () => {
  const odd = fc.constantFrom("'", '"', '\\', '$(id)', '`id`', '\n', ' ', '*', '~', '!', ';', '&', '|', '#', '-x', 'ä');
  const text = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.array(odd).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(
      fc.array(
        text.filter((each) => !each.includes('\0')),
        { minLength: 1, maxLength: 8 },
      ),
      (argv) => {
        assert.deepEqual(throughShell(quote(argv)), argv);
      },
    ),
    { numRuns: 200 },
  );
});

test('an argument with a NUL is refused, as no program can be given one', () => {
  assert.throws(() => quote(['a\0b']), RangeError);
});
