import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sentenceOf } from './build.ts';

const saidOf = (why: string): string => sentenceOf(why, '512 MiB');

test('a failed build is told by the program that failed, not by how Docker ran it', () => {
  const ended = (command: string, code: number): string => `The command '${command}' returned a non-zero code: ${code}`;
  assert.equal(
    saidOf(ended('/bin/sh -c npm install --omit=dev --no-audit && rm -rf /tmp/.npm', 3)),
    'npm install failed with exit code 3.',
  );
  assert.equal(saidOf(ended('/bin/sh -c npm ci --omit=dev', 1)), 'npm ci failed with exit code 1.');
  assert.equal(
    saidOf(ended('/bin/sh -c /venv/bin/python -I -m pip install -r requirements.txt', 1)),
    'pip install failed with exit code 1.',
  );
  assert.equal(saidOf(ended("/bin/sh -c make 'all of it'", 2)), "make 'all of it' failed with exit code 2.");
  assert.equal(saidOf('dockerfile parse error line 3'), 'The app could not be built: dockerfile parse error line 3.');
});

test('a build that was killed is said to have needed too much memory, most likely', () => {
  assert.equal(
    saidOf("The command '/bin/sh -c npm ci' returned a non-zero code: 137"),
    'npm ci failed with exit code 137: it was killed, most likely because it needed more than the 512 MiB of memory that a build may have.',
  );
});
