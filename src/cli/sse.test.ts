import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseEvents, type ServerEvent } from './sse.ts';

async function* inPieces(text: string, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  let at = 0;
  for (let n = 0; at < bytes.length; n += 1) {
    const size = sizes[n % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

test('events, named ones, several lines of data, comments', async () => {
  const text =
    ': connected\n\ndata: {"a":1}\n\nevent: problem\r\ndata: x\r\ndata: y\r\n\r\n: still here\n\ndata: unfinished\n';
  const seen: (ServerEvent | null)[] = [];
  for await (const event of parseEvents(inPieces(text, [1000]))) seen.push(event);
  assert.deepEqual(seen, [null, { event: 'message', data: '{"a":1}' }, { event: 'problem', data: 'x\ny' }, null]);
});

test('it does not matter where the stream is cut, not even inside a character', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: 'grapheme' })),
      fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
      async (values, sizes) => {
        const text = values.map((value) => `data: ${JSON.stringify(value)}\n\n`).join('');
        const seen: string[] = [];
        for await (const event of parseEvents(inPieces(text, sizes))) if (event) seen.push(JSON.parse(event.data));
        assert.deepEqual(seen, values);
      },
    ),
  );
});
