import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { ZipFile } from 'yazl';
import { zipOf } from '../../../../test/support/zip.ts';
import type { AvkError } from '../../../domain/errors.ts';
import type { ZipLimits } from '../zip-members.ts';
import { unpack } from './unpack.ts';

const LIMITS: ZipLimits = { maxEntries: 100, maxBytes: 1_000_000 };

async function unpacked(t: TestContext, zip: Buffer, limits = LIMITS): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'avishkar-unpack-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'app.zip'), zip);
  await mkdir(join(folder, 'app'));
  await unpack(join(folder, 'app.zip'), join(folder, 'app'), limits, new AbortController().signal);
  return join(folder, 'app');
}

async function files(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return found.map((path) => path.slice(folder.length + 1)).sort();
}

function refused(t: TestContext, zip: Buffer, message: RegExp, limits = LIMITS): Promise<void> {
  return assert.rejects(unpacked(t, zip, limits), (error: AvkError) => {
    assert.equal(error.code, 'AVK_BAD_ZIP', error.stack);
    assert.match(error.message, message);
    return true;
  });
}

async function zipWith(add: (zip: ZipFile) => void): Promise<Buffer> {
  const zip = new ZipFile();
  add(zip);
  zip.end();
  return buffer(zip.outputStream as Readable);
}

/** The same zip with one name replaced by another of the same length, as a liar would make it. */
function renamed(zip: Buffer, from: string, to: string): Buffer {
  assert.equal(from.length, to.length);
  return Buffer.from(zip.toString('latin1').replaceAll(from, to), 'latin1');
}

test('unpacks files and folders, with executable bits and no other', async (t) => {
  const zip = await zipWith((each) => {
    each.addBuffer(Buffer.from('{}'), 'app.json', { mode: 0o100666 });
    each.addBuffer(Buffer.from('#!'), 'bin/run', { mode: 0o104755 });
    each.addEmptyDirectory('data');
  });
  const folder = await unpacked(t, zip);
  assert.deepEqual(await files(folder), ['app.json', 'bin/run']);
  assert.equal((await stat(join(folder, 'app.json'))).mode & 0o7777, 0o644);
  assert.equal((await stat(join(folder, 'bin/run'))).mode & 0o7777, 0o755);
  assert.ok((await stat(join(folder, 'data'))).isDirectory());
});

test('leaves the only folder out, and what macOS adds', async (t) => {
  const folder = await unpacked(t, await zipOf({ 'my app/app.json': '{}', 'my app/lib/a.js': '', '__MACOSX/._x': '' }));
  assert.deepEqual(await files(folder), ['app.json', 'lib/a.js']);
});

test('keeps folders when there is more than one', async (t) => {
  assert.deepEqual(await files(await unpacked(t, await zipOf({ 'a/x': '', 'b/y': '' }))), ['a/x', 'b/y']);
  assert.deepEqual(await files(await unpacked(t, await zipOf({ 'a/x': '', a2: '' }))), ['a/x', 'a2']);
});

test('refuses links and special files', async (t) => {
  const link = await zipWith((each) => each.addBuffer(Buffer.from('/etc/passwd'), 'link', { mode: 0o120777 }));
  await refused(t, link, /"link" is a link or a special file/);
  const pipe = await zipWith((each) => each.addBuffer(Buffer.from(''), 'pipe', { mode: 0o010644 }));
  await refused(t, pipe, /"pipe" is a link or a special file/);
});

test('refuses names that lead out', async (t) => {
  const zip = await zipOf({ 'xx/evil.js': 'x', 'app.json': '{}' });
  await refused(t, renamed(zip, 'xx/evil.js', '../evil.jx'), /refused/);
  await refused(t, renamed(zip, 'xx/evil.js', '/xx/evil.j'), /refused/);
  await refused(t, renamed(zip, 'xx/evil.js', '..\\evil.jx'), /refused/);
});

test('refuses a name that is there twice', async (t) => {
  await refused(t, renamed(await zipOf({ 'a.js': '1', 'b.js': '2' }), 'b.js', 'a.js'), /one name twice/);
});

test('refuses more entries or bytes than allowed', async (t) => {
  const zip = await zipOf({ a: 'x'.repeat(600), b: 'x'.repeat(600) });
  await refused(t, zip, /more than 1 entries/, { maxEntries: 1, maxBytes: 10_000 });
  await refused(t, zip, /more than 1000 bytes/, { maxEntries: 10, maxBytes: 1000 });
});

test('refuses sizes that are not true', async (t) => {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(54_321);
  const lie = Buffer.alloc(4);
  lie.writeUInt32LE(10);
  const zip = await zipOf({ 'app.json': '{}', bomb: 'x'.repeat(54_321) });
  await refused(t, renamed(zip, size.toString('latin1'), lie.toString('latin1')), /refused/);
});

test('refuses what is no zip, or only a part of one', async (t) => {
  await refused(t, Buffer.from('no zip at all, but long enough to be looked into'), /refused/);
  const zip = await zipOf({ 'app.json': 'x'.repeat(5000) });
  await refused(t, zip.subarray(0, zip.length - 30), /refused/);
});

test('ends when aborted', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'avishkar-unpack-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'app.zip'), await zipOf({ a: 'x' }));
  const signal = AbortSignal.abort(new Error('enough'));
  await assert.rejects(unpack(join(folder, 'app.zip'), folder, LIMITS, signal), /enough/);
  assert.equal(await readFile(join(folder, 'a'), 'utf8').catch(() => null), null);
});
