import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ignoredBy } from './dockerignore.ts';

const PATHS = [
  '.dockerignore',
  'Dockerfile',
  'a.md',
  'docs/README.md',
  'docs/deep/a.md',
  'node_modules/x/index.js',
  'lib/node_modules/y.js',
  'temp1',
  'tempa/b',
  'main.js',
];
const left = (...lines: string[]): string[] => {
  const ignored = ignoredBy(lines.join('\n'), ['Dockerfile', '.dockerignore']);
  return PATHS.filter(ignored);
};

test('a .dockerignore leaves out what it names, and what is below', () => {
  assert.deepEqual(left('node_modules'), ['node_modules/x/index.js']);
  assert.deepEqual(left('/node_modules/'), ['node_modules/x/index.js']);
  assert.deepEqual(left('**/node_modules'), ['node_modules/x/index.js', 'lib/node_modules/y.js']);
  assert.deepEqual(left('*.md'), ['a.md']);
  assert.deepEqual(left('**/*.md'), ['a.md', 'docs/README.md', 'docs/deep/a.md']);
  assert.deepEqual(left('*/*.md'), ['docs/README.md']);
  assert.deepEqual(left('temp?'), ['temp1', 'tempa/b']);
  assert.deepEqual(left('temp[0-9]'), ['temp1']);
  assert.deepEqual(left('./docs/../main.js  '), ['main.js']);
});

test('the last line of a .dockerignore that matches decides', () => {
  assert.deepEqual(left('**/*.md', '!docs/README.md'), ['a.md', 'docs/deep/a.md']);
  assert.deepEqual(left('docs', '!docs/deep', 'docs/deep/a.md'), ['docs/README.md', 'docs/deep/a.md']);
  assert.deepEqual(left('*', '!main.js', '!lib').includes('main.js'), false);
  assert.deepEqual(left('# *', '', '  ', 'a.md', '[', 'mainXjs'), ['a.md']);
});

test('a build gets its Dockerfile, whatever a .dockerignore says', () => {
  assert.deepEqual(
    left('**'),
    PATHS.filter((path) => path !== 'Dockerfile' && path !== '.dockerignore'),
  );
});
