import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import ssh2 from 'ssh2';
import { checkKeyFile } from './key-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'avishkar-key-'));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

/** The library's own maker of keys drops a leading zero, so that one of 256 cannot be read. */
function keyPair(): { public: string; private: string } {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519');
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error)) return pair;
  }
}

test('a private key that only its owner can read is taken, in the usual forms', () => {
  const pair = keyPair();
  assert.equal(checkKeyFile(file('openssh', pair.private)), null);
  const pem = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs1', format: 'pem' });
  assert.equal(checkKeyFile(file('pem', `${pem}`, 0o400)), null);
});

test('a private key that cannot be used is refused with what to do', () => {
  const pair = keyPair();
  const locked = ssh2.utils.generateKeyPairSync('ed25519', { passphrase: 'x', cipher: 'aes256-cbc', rounds: 1 });
  assert.match(checkKeyFile(join(folder, 'none')) ?? '', /there is no private key at .*none/);
  assert.match(checkKeyFile(folder) ?? '', /is no file/);
  assert.match(
    checkKeyFile(file('open', pair.private, 0o640)) ?? '',
    /others than its owner .*mode 640\): chmod 600 .*open/,
  );
  assert.match(checkKeyFile(file('locked', locked.private)) ?? '', /has a passphrase/);
  assert.match(checkKeyFile(file('text', 'hello')) ?? '', /is not a private key/);
  assert.match(checkKeyFile(file('public', pair.public)) ?? '', /is a public key/);
});
