import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from './nearest.ts';

test('a misspelt word is taken for the known one that is nearest, and a strange one for none', () => {
  const known = ['vm_name', 'vm_ip', 'vm_username', 'vm_key_path', 'vm_service_path', 'ports'];
  assert.equal(nearest('vm_usrname', known), 'vm_username');
  assert.equal(nearest('VM_IP', known), 'vm_ip');
  assert.equal(nearest('prots', known), 'ports');
  assert.equal(nearest('elephant', known), null);
  assert.equal(nearest('x', []), null);
});
