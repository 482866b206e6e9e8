import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asSentence, problemOf } from './client.ts';

test('a reason on its own is a sentence, but names stay as they are', () => {
  assert.equal(asSentence('the app exited with code 7'), 'The app exited with code 7.');
  assert.equal(asSentence('npm install failed with exit code 1.'), 'npm install failed with exit code 1.');
  assert.equal(asSentence('app.json: expected an object'), 'app.json: expected an object.');
  assert.equal(asSentence('config.MAX, expected a number'), 'config.MAX, expected a number.');
  assert.equal(asSentence('Why?'), 'Why?');
});

test('an answer that is no problem document becomes one', () => {
  const problem = problemOf(422, JSON.stringify({ title: 'No', detail: 'not so', code: 'AVK_X', status: 1 }));
  assert.deepEqual([problem.status, problem.detail, problem.errors], [422, 'not so', []]);
  assert.deepEqual([problemOf(502, '<html>').status, problemOf(502, '{}').title], [502, 'Unexpected answer']);
});
