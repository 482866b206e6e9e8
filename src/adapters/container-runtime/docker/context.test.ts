import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, type TestContext, test } from 'node:test';
import { extract } from 'tar-stream';
import { type Item, zipWith } from '../../../../test/support/bad-zips.ts';
import type { AvkError } from '../../../domain/errors.ts';
import { manifestSchema } from '../../../domain/manifest.ts';
import { type BuildContext, openContext } from './context.ts';

const BASES = { node: 'node:24-slim', python: 'python:3.13-slim' };
const LIMITS = { maxEntries: 2_000, maxBytes: 100_000_000 };
// For the tests of this file alone.
process.env.TMPDIR = mkdtempSync(join(tmpdir(), 'avishkar-context-'));
after(() => rmSync(tmpdir(), { recursive: true }));
const NOW = new Date('2026-11-22T14:00:00Z');

async function contextOf(
  t: TestContext,
  items: Record<string, Item>,
  changes: Record<string, unknown> = {},
  limits = LIMITS,
): Promise<BuildContext> {
  const zip = await zipWith(items);
  const manifest = manifestSchema.parse({
    name: 'probe',
    version: '1.0.0',
    runtime: 'node',
    entry: 'main.js',
    ...changes,
  });
  const context = await openContext(
    { image: 'probe:1', manifest, bundle: async () => Readable.from([zip]) },
    { baseImages: BASES, limits, now: NOW, signal: new AbortController().signal },
  );
  t.after(() => context.close());
  return context;
}

async function entriesOf(
  tar: Readable,
): Promise<Map<string, { mode: number; type: string; mtime: Date; text: string }>> {
  const entries = new Map();
  const reading = extract();
  tar.on('error', (error) => reading.destroy(error)).pipe(reading);
  for await (const entry of reading) {
    const { name, mode, type, mtime } = entry.header;
    entries.set(name, { mode, type, mtime, text: (await buffer(entry)).toString() });
  }
  return entries;
}

const refusedAs = (code: string) => (error: AvkError) => {
  assert.equal(error.code, code, error.stack);
  return true;
};

test('the context of an app is its files below app/, with executable bits and no other', async (t) => {
  const context = await contextOf(t, {
    'main.js': { data: 'hello' },
    'bin/run': { data: '#!', mode: 0o104777 },
    'big.bin': { data: Buffer.alloc(3_000_000, 7) },
    [`${'long/'.repeat(60)}é.txt`]: { data: 'deep' },
  });
  const entries = await entriesOf(context.tar());
  assert.equal(entries.get('Dockerfile')?.text, context.dockerfile);
  assert.equal(context.dockerfilePath, 'Dockerfile');
  assert.partialDeepStrictEqual(entries.get('app/main.js'), { mode: 0o644, type: 'file', mtime: NOW, text: 'hello' });
  assert.partialDeepStrictEqual(entries.get('app/bin/run'), { mode: 0o755 });
  assert.partialDeepStrictEqual(entries.get('app/bin/'), { mode: 0o755, type: 'directory' });
  assert.equal(entries.get('app/big.bin')?.text.length, 3_000_000);
  assert.equal(entries.get(`app/${'long/'.repeat(60)}é.txt`)?.text, 'deep');
  // It can be read as often as wanted, also at the same time.
  const [one, two] = await Promise.all([entriesOf(context.tar()), entriesOf(context.sources())]);
  assert.deepEqual(one, two);
});

test('an app with its own Dockerfile is its own context, and its files are kept like those of others', async (t) => {
  const items = { 'docker/Dockerfile': { data: 'FROM node:24-slim\n' }, '.dockerignore': { data: 'x' } };
  const context = await contextOf(t, items, { runtime: 'dockerfile', entry: 'docker/Dockerfile' });
  assert.deepEqual([...(await entriesOf(context.tar())).keys()], ['.dockerignore', 'docker/', 'docker/Dockerfile']);
  assert.equal(context.dockerfilePath, 'docker/Dockerfile');
  const names = [...(await entriesOf(context.sources())).keys()];
  assert.deepEqual(names, ['Dockerfile', 'app/', 'app/.dockerignore', 'app/docker/', 'app/docker/Dockerfile']);
});

test('a static app brings its server along', async (t) => {
  const context = await contextOf(t, { 'index.html': {} }, { runtime: 'static', entry: 'index.html' });
  const entries = await entriesOf(context.tar());
  const server = entries.get('avishkar/static-server.mjs')?.text ?? '';
  assert.match(server, /from '\.\/static-files\.mjs'/);
  assert.doesNotMatch(server, /: string|import type/);
  assert.ok(entries.has('avishkar/node_modules/@fastify/send/package.json'));
  assert.ok(entries.has('avishkar/node_modules/mime/types/standard.js'));
});

test('a bundle that is no good is refused, and nothing of it stays here', async (t) => {
  await assert.rejects(contextOf(t, { 'other.js': {} }), refusedAs('AVK_BUILD_FAILED'));
  await assert.rejects(contextOf(t, { 'main.js': {}, link: { mode: 0o120777 } }), refusedAs('AVK_BAD_ZIP'));
  await assert.rejects(contextOf(t, { 'main.js': {}, a: {}, 'a/b': {} }), refusedAs('AVK_BAD_ZIP'));
  await assert.rejects(contextOf(t, { 'main.js': {} }, {}, { maxEntries: 0, maxBytes: 1 }), refusedAs('AVK_BAD_ZIP'));
  const nonsense = async () => Readable.from(['no zip at all']);
  const manifest = manifestSchema.parse({ name: 'probe', version: '1.0.0', runtime: 'node', entry: 'main.js' });
  const options = { baseImages: BASES, limits: LIMITS, now: NOW, signal: new AbortController().signal };
  await assert.rejects(openContext({ image: 'x', manifest, bundle: nonsense }, options), refusedAs('AVK_BAD_ZIP'));
  assert.deepEqual(await readdir(tmpdir()), []);
});

test('a file that is not what its zip says fails the context', async (t) => {
  const lying = await zipWith({ 'main.js': { data: 'x'.repeat(50_000) } });
  // The central directory says that it is smaller.
  const size = Buffer.alloc(4);
  size.writeUInt32LE(50_000);
  for (let found = lying.indexOf(size); found >= 0; found = lying.indexOf(size, found + 1))
    lying.writeUInt32LE(10, found);
  const manifest = manifestSchema.parse({ name: 'probe', version: '1.0.0', runtime: 'node', entry: 'main.js' });
  const options = { baseImages: BASES, limits: LIMITS, now: NOW, signal: new AbortController().signal };
  const context = await openContext({ image: 'x', manifest, bundle: async () => Readable.from([lying]) }, options);
  t.after(() => context.close());
  await assert.rejects(entriesOf(context.tar()), refusedAs('AVK_BAD_ZIP'));
});
