import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reasonAt } from './failure-reason.ts';

test('a reason says what failed at what and where, each once', () => {
  const said = (reason: string, node = 'VM1'): string => reasonAt('building', node, reason);
  assert.equal(said('npm ci failed with exit code 1.'), 'building on VM1: npm ci failed with exit code 1.');
  for (const here of ['The disk of VM1 is full: 1 % is free.', 'Docker is not on VM1.', 'VM1: refused', '(VM1)']) {
    assert.equal(said(here), `building it: ${here}`);
  }
  assert.equal(said('The image is on VM12.'), 'building on VM1: The image is on VM12.');
  assert.equal(said('no machine can take it', ''), 'building it: no machine can take it');
  const whole = 'starting on VM2: the app exited with code 7';
  assert.equal(said(whole), whole);
  assert.equal(
    said('building web:1.0.0 on VM1 took longer than 5 s'),
    'building web:1.0.0 on VM1 took longer than 5 s',
  );
});
