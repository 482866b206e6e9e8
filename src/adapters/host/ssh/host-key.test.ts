import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AvkError } from '../../../domain/errors.ts';
import { createHostKeyFile, describeHostKey, hostKeyAlgorithms, parseHostKey } from './host-key.ts';

// A key and what `ssh-keygen -lf` says of it.
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl';
const FINGERPRINT = 'SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU';

test('a host key is read as it is given: by its fingerprint, with its kind, or as a public key', () => {
  const known = { type: 'ssh-ed25519', fingerprint: FINGERPRINT };
  assert.deepEqual(parseHostKey(KEY), known);
  assert.deepEqual(parseHostKey(` ${KEY} root@vm1\n`), known);
  assert.deepEqual(parseHostKey(`ssh-ed25519 ${FINGERPRINT}`), known);
  assert.deepEqual(parseHostKey(FINGERPRINT), { type: null, fingerprint: FINGERPRINT });
  const blob = Buffer.from(KEY.split(' ')[1] ?? '', 'base64');
  assert.deepEqual(describeHostKey(blob), known);
});

test('what is no host key is not taken for one', () => {
  const bad = [
    '',
    'SHA256:',
    `${FINGERPRINT}x`,
    'MD5:16:27',
    KEY.replace('ssh-ed25519', 'ssh-rsa'),
    'ssh-ed25519',
    'x y',
  ];
  for (const each of bad) assert.equal(parseHostKey(each), null, each);
});

test('a machine is asked for the kind of key by which it is known, and for any other after it', () => {
  const of = (type: string): string[] => hostKeyAlgorithms({ type, fingerprint: FINGERPRINT });
  assert.equal(hostKeyAlgorithms(null)[0], 'ssh-ed25519');
  assert.equal(of('ecdsa-sha2-nistp256')[0], 'ecdsa-sha2-nistp256');
  assert.deepEqual(of('ssh-rsa').slice(0, 3), ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-ed25519']);
  assert.equal(of('ssh-rsa').length, hostKeyAlgorithms(null).length);
});

test('pins are kept in a file that an operator can read and correct', () => {
  const folder = mkdtempSync(join(tmpdir(), 'avishkar-pins-'));
  try {
    const path = join(folder, 'inside', 'host-keys.json');
    const pins = createHostKeyFile(path);
    assert.equal(pins.get('VM1'), null);
    assert.equal(pins.get('toString'), null);
    pins.pin('VM1', 'one');
    pins.pin('VM2', 'two');
    assert.equal(createHostKeyFile(path).get('VM1'), 'one');
    assert.equal(readFileSync(path, 'utf8'), '{\n  "VM1": "one",\n  "VM2": "two"\n}\n');
    assert.equal(statSync(path).mode & 0o777, 0o600);
    writeFileSync(path, '{"VM2": "other"}');
    assert.deepEqual([pins.get('VM1'), pins.get('VM2')], [null, 'other']);
    for (const broken of ['{', '[1]', '{"VM1": 1}', 'null']) {
      writeFileSync(path, broken);
      assert.throws(
        () => pins.get('VM1'),
        (error: AvkError) => error.code === 'AVK_BAD_CONFIG' && error.message.includes(path),
      );
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
