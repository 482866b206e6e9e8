import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createNetworkList } from './networks.ts';

test('an address is in the networks or not, IPv4 and IPv6, also where a socket maps one to the other', () => {
  const listed = createNetworkList(['10.1.0.0/16', '192.0.2.7', 'fd00::/8', '2001:db8::1/128']);
  for (const address of ['10.1.0.1', '10.1.255.255', '::ffff:10.1.2.3', '192.0.2.7', 'fd12::1', '2001:db8::1']) {
    assert.ok(listed(address), address);
  }
  for (const address of [
    '10.2.0.1',
    '::ffff:10.2.0.1',
    '192.0.2.8',
    'fe80::1',
    '2001:db8::2',
    '127.0.0.1',
    '::1',
    '',
    'x',
  ]) {
    assert.ok(!listed(address), address);
  }
});

test('an empty list holds nobody, /0 everybody of its kind', () => {
  assert.ok(!createNetworkList([])('127.0.0.1'));
  const all = createNetworkList(['0.0.0.0/0']);
  assert.deepEqual([all('203.0.113.9'), all('2001:db8::1')], [true, false]);
});

test('what is no network is refused by its value', () => {
  for (const bad of [
    '',
    'localhost',
    '10.0.0.0/33',
    '10.0.0/8',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    'fd00::/129',
    '10.0.0.0/08x',
    'fe80::1%eth0/64',
  ]) {
    assert.throws(
      () => createNetworkList(['127.0.0.1', bad]),
      (error: Error & { code?: string }) =>
        error.code === 'AVK_BAD_CONFIG' && error.message.includes(JSON.stringify(bad)),
      bad,
    );
  }
});
