import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { test } from 'node:test';
import { systemRandom } from '../adapters/random/system.ts';
import { createSecretBox } from './secret-box.ts';

const key = (): Uint8Array => systemRandom.bytes(32);

test('opens what it sealed, and seals the same differently each time', () => {
  const box = createSecretBox(new Map([['k1', key()]]), systemRandom);
  for (const secret of ['', 'hunter2', 'übung ✓ $.\n', 'x'.repeat(100_000)]) {
    const sealed = box.seal(secret);
    assert.match(sealed, /^avk1\.k1\.[A-Za-z0-9_-]+$/);
    assert.ok(secret === '' || !sealed.includes(secret));
    assert.equal(box.open(sealed), secret);
    assert.notEqual(box.seal(secret), sealed);
  }
});

test('the first key seals, the others still open', () => {
  const [old, fresh] = [key(), key()];
  const sealed = createSecretBox(new Map([['old', old]]), systemRandom).seal('secret');
  const both = createSecretBox(
    new Map([
      ['fresh', fresh],
      ['old', old],
    ]),
    systemRandom,
  );
  assert.equal(both.open(sealed), 'secret');
  assert.match(both.seal('secret'), /^avk1\.fresh\./);
  assert.throws(() => createSecretBox(new Map([['fresh', fresh]]), systemRandom).open(sealed), {
    code: 'AVK_INTERNAL',
    message: /key old/,
  });
  assert.throws(() => createSecretBox(new Map([['old', fresh]]), systemRandom).open(sealed), {
    code: 'AVK_INTERNAL',
    message: 'a sealed secret was damaged',
  });
  assert.throws(() => createSecretBox(new Map(), systemRandom), { code: 'AVK_INTERNAL' });
});

test('refuses what was tampered with or cut short, wherever, and never tells the secret', () => {
  const bytes = key();
  const box = createSecretBox(new Map([['k1', bytes]]), systemRandom);
  const sealed = box.seal('hunter2');
  const body = Buffer.from(sealed.slice('avk1.k1.'.length), 'base64url');
  const refused = (changed: Buffer, about: string): void => {
    assert.throws(
      () => box.open(`avk1.k1.${changed.toString('base64url')}`),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'AVK_INTERNAL', about);
        return !error.message.includes('hunter2');
      },
      about,
    );
  };
  for (let at = 0; at < body.length; at += 1) {
    const changed = Buffer.from(body);
    changed[at] = (changed[at] ?? 0) ^ 1;
    refused(changed, `bit at ${at}`);
  }
  for (let length = 1; length < body.length; length += 1) refused(body.subarray(0, length), `${length} bytes`);
  // A tag of 4 bytes is easy to guess: right as it is, it is not taken.
  const nonce = systemRandom.bytes(12);
  const cipher = createCipheriv('aes-256-gcm', bytes, nonce, { authTagLength: 4 });
  cipher.final();
  refused(Buffer.concat([nonce, cipher.getAuthTag()]), 'short tag');
  for (const text of ['', 'avk1', 'avk1.k1', 'avk1.k1.', 'hunter2', sealed.replace('avk1', 'avk2')]) {
    assert.throws(() => box.open(text), { code: 'AVK_INTERNAL' });
  }
});
