import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeHostKey, parseHostKey } from './host-key.ts';

// A key and what `ssh-keygen -lf` says of it.
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl';
const FINGERPRINT = 'SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU';

test('a host key is read as it is given: by its fingerprint, with its kind, or as a public key', () => {
  const known = { type: 'ssh-ed25519', fingerprint: FINGERPRINT };
  assert.deepEqual(parseHostKey(KEY), known);
  assert.deepEqual(parseHostKey(` ${KEY} root@vm1\n`), known);
  assert.deepEqual(parseHostKey(`ssh-ed25519 ${FINGERPRINT}`), known);
  assert.deepEqual(parseHostKey(FINGERPRINT), { type: null, fingerprint: FINGERPRINT });
  // As ssh-keygen -lf and ssh-keyscan print it.
  assert.deepEqual(parseHostKey(`256 ${FINGERPRINT} root@vm1 (ED25519)`), { type: null, fingerprint: FINGERPRINT });
  assert.deepEqual(parseHostKey(`10.0.0.11 ${KEY}`), known);
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
    `x ${FINGERPRINT}`,
    `1 2 ${KEY}`,
    'x y',
  ];
  for (const each of bad) assert.equal(parseHostKey(each), null, each);
});
