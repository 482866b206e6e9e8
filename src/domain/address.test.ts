import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalAddress, isAddress } from './address.ts';

test('an address is one by itself: no name, no network, nothing of one machine alone', () => {
  for (const good of ['10.0.0.1', '::1', '2001:DB8::1', '::ffff:10.0.0.1']) assert.equal(isAddress(good), true, good);
  const bad = [
    '',
    'localhost',
    'vm1.example.org',
    '10.0.0',
    '010.0.0.1',
    '10.0.0.0/24',
    '[::1]',
    'fe80::1%eth0',
    ' ::1',
  ];
  for (const each of bad) assert.equal(isAddress(each), false, each);
});

test('an address has one spelling', () => {
  const spellings: [string, string[]][] = [
    ['10.0.0.1', ['10.0.0.1', '::ffff:10.0.0.1', '::FFFF:a00:1', '0:0:0:0:0:ffff:0a00:0001']],
    ['2001:db8::1', ['2001:db8::1', '2001:DB8:0:0:0:0:0:1', '2001:0db8::0001']],
    ['::1', ['::1', '0:0:0:0:0:0:0:1']],
  ];
  for (const [one, others] of spellings) for (const each of others) assert.equal(canonicalAddress(each), one, each);
});
