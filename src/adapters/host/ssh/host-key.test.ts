import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AvkError } from '../../../domain/errors.ts';
import { createHostKeyFile, createTrialPins, hostKeyAlgorithms } from './host-key.ts';

const FINGERPRINT = 'SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU';

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

test('what a machine shows that is only looked at is kept once it is taken in, in place of what was there', () => {
  const folder = mkdtempSync(join(tmpdir(), 'avishkar-pins-'));
  try {
    const pins = createHostKeyFile(join(folder, 'host-keys.json'));
    pins.pin('VM3', 'of a machine that was let go of');
    const tried = createTrialPins(pins);
    assert.equal(tried.get('VM3'), null);
    tried.pin('VM3', 'tried');
    assert.equal(tried.get('VM3'), 'tried', 'it is known again within the same trial');
    assert.equal(pins.get('VM3'), 'of a machine that was let go of');
    const taken = createTrialPins(pins);
    taken.pin('VM3', 'taken in');
    taken.keep();
    assert.equal(pins.get('VM3'), 'taken in');
    pins.pin('VM3', 'corrected by an operator');
    assert.equal(taken.get('VM3'), 'corrected by an operator');
    taken.pin('VM3', 'shown later');
    assert.equal(pins.get('VM3'), 'shown later');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
