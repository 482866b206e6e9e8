import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { patch, rename, setIfThere, zipWith } from '../../../test/support/bad-zips.ts';
import { zipOf } from '../../../test/support/zip.ts';
import type { Bundle, BundleLimits } from '../../ports/bundle-reader.ts';
import { createZipBundleReader } from './zip.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;
const LIMITS: BundleLimits = { packedBytes: 10 * MIB, unpackedBytes: 20 * MIB, entries: 100, ratio: 200 };

async function folder(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'avk-bundles-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

function inPieces(bytes: Buffer): Readable {
  return Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
    })(),
  );
}

async function receive(t: TestContext, zip: Buffer, limits: Partial<BundleLimits> = {}): Promise<Bundle> {
  const bundle = await createZipBundleReader({ directory: await folder(t) }).receive(inPieces(zip), {
    ...LIMITS,
    ...limits,
  });
  t.after(() => bundle.dispose());
  return bundle;
}

/** The upload is refused with that sentence, and nothing of it is left. */
async function refuses(
  t: TestContext,
  zip: Buffer,
  message: RegExp,
  limits: Partial<BundleLimits> = {},
  code = 'AVK_BAD_ZIP',
): Promise<void> {
  const directory = await folder(t);
  const reader = createZipBundleReader({ directory });
  await assert.rejects(reader.receive(inPieces(zip), { ...LIMITS, ...limits }), { code, message });
  assert.deepEqual(await readdir(directory), []);
}

test('gives the files, their text, and the bytes as they came', async (t) => {
  const zip = await zipOf({ 'app.json': '{"name":"é"}', 'src/main.js': 'run()', 'empty.txt': '' });
  const bundle = await receive(t, zip);
  assert.equal(bundle.sizeBytes, zip.length);
  assert.equal(bundle.sha256, createHash('sha256').update(zip).digest('hex'));
  assert.deepEqual(bundle.files, [
    { path: 'app.json', sizeBytes: 13 },
    { path: 'src/main.js', sizeBytes: 5 },
    { path: 'empty.txt', sizeBytes: 0 },
  ]);
  assert.equal(await bundle.readText('app.json', 1000), '{"name":"é"}');
  assert.equal(await bundle.readText('empty.txt', 1000), '');
  assert.equal(await bundle.readText('missing', 1000), null);
  assert.deepEqual(await buffer(bundle.open()), zip);
});

test('a text that is too large or not UTF-8 is refused', async (t) => {
  const bundle = await receive(t, await zipWith({ big: { data: 'x'.repeat(100) }, bin: { data: Buffer.from([255]) } }));
  await assert.rejects(bundle.readText('big', 99), { code: 'AVK_BAD_ZIP', message: /"big" is larger than 99 bytes/ });
  assert.equal((await bundle.readText('big', 100))?.length, 100);
  await assert.rejects(bundle.readText('bin', 99), { code: 'AVK_BAD_ZIP', message: /"bin" is not UTF-8/ });
});

test('the file is private, and dispose removes it, also repeatedly', async (t) => {
  const parent = await folder(t);
  const directory = join(parent, 'deeper/spool');
  const bundle = await createZipBundleReader({ directory }).receive(inPieces(await zipOf({ a: '1' })), LIMITS);
  const [name = ''] = await readdir(directory);
  assert.equal((await stat(directory)).mode & 0o777, 0o700);
  assert.equal((await stat(join(directory, name))).mode & 0o777, 0o600);
  await bundle.dispose();
  await bundle.dispose();
  assert.deepEqual(await readdir(directory), []);
});

test('what a crashed process left is swept at the start, and nothing else', async (t) => {
  const directory = await folder(t);
  await writeFile(join(directory, `upload-${randomUUID()}.zip`), 'half');
  await writeFile(join(directory, 'notes.txt'), 'not ours');
  createZipBundleReader({ directory });
  assert.deepEqual(await readdir(directory), ['notes.txt']);
});

test('the only top folder is taken off, whatever macOS adds beside it', async (t) => {
  const bundle = await receive(
    t,
    await zipWith({
      'room/': {},
      'room/app.json': {},
      'room/src/a.js': {},
      'room/src/.DS_Store': {},
      '.DS_Store': {},
      '__MACOSX/room/._app.json': {},
    }),
  );
  assert.deepEqual(
    bundle.files.map(({ path }) => path),
    ['app.json', 'src/a.js'],
  );
  assert.equal(await bundle.readText('app.json', 10), 'x');
});

test('two top folders, or a file beside the folder, stay as they are', async (t) => {
  for (const paths of [
    ['a/x', 'b/y'],
    ['a/x', 'y'],
  ]) {
    const bundle = await receive(t, await zipOf(Object.fromEntries(paths.map((path) => [path, '']))));
    assert.deepEqual(
      bundle.files.map(({ path }) => path),
      paths,
    );
  }
});

test('refuses what is no zip, is empty, or was cut off', async (t) => {
  const zip = await zipWith({ a: { data: randomBytes(3000) } });
  await refuses(t, Buffer.alloc(0), /the file is empty/);
  await refuses(t, Buffer.from('<html>not found</html>'), /it is not a zip file/);
  await refuses(t, randomBytes(100_000), /it is not a zip file/);
  await refuses(t, await zipOf({}), /it holds no files/);
  await refuses(t, await zipWith({ 'a/': {} }), /it holds no files/);
  await refuses(t, await zipWith({ '__MACOSX/x': {}, '.DS_Store': {} }), /it holds no files/);
  for (const length of [4, 100, 2000, zip.length - 30, zip.length - 1]) {
    await refuses(t, zip.subarray(0, length), /it is cut off/);
  }
  await refuses(t, Buffer.concat([zip, Buffer.from('more')]), /something after its end/);
  await refuses(t, Buffer.concat([zip.subarray(0, 500), zip.subarray(900)]), /damaged/);
});

test('refuses more bytes than the limit, without reading on', async (t) => {
  const zip = await zipWith({ a: { data: randomBytes(50_000) } });
  await receive(t, zip, { packedBytes: zip.length });
  await refuses(t, zip, /larger than the limit of 50,000 bytes/, { packedBytes: 50_000 }, 'AVK_TOO_LARGE');
  const directory = await folder(t);
  let produced = 0;
  const endless = new Readable({
    read() {
      produced += 1000;
      this.push(Buffer.alloc(1000));
    },
  });
  const reader = createZipBundleReader({ directory });
  await assert.rejects(reader.receive(endless, { ...LIMITS, packedBytes: 2 * MIB }), {
    code: 'AVK_TOO_LARGE',
    message: /2,097,152 bytes \(2 MB\)/,
  });
  assert.ok(endless.destroyed && produced < 4 * MIB);
  assert.deepEqual(await readdir(directory), []);
});

test('an upload that breaks off leaves nothing, and its error goes on', async (t) => {
  const directory = await folder(t);
  const broken = Readable.from(
    (async function* () {
      yield Buffer.from('PK');
      throw new Error('connection lost');
    })(),
  );
  await assert.rejects(createZipBundleReader({ directory }).receive(broken, LIMITS), /^Error: connection lost$/);
  assert.deepEqual(await readdir(directory), []);
});

test('refuses names that lead elsewhere or are none', async (t) => {
  for (const [name, message] of Object.entries({
    '/etc/passwd': /"\/etc\/passwd" is an absolute path/,
    '../../a.txt': /leads out of the folder/,
    'a/../../b': /leads out of the folder/,
    'a/..': /leads out of the folder/,
    'C:\\a\\b.txt': /backslash/,
    'C:/a/b.txt': /"C:\/a\/b\.txt" is an absolute path/,
    'c:b.txt': /absolute path/,
    '..\\..\\a.txt': /backslash/,
    'a\0a.txt': /NUL/,
    '././..': /leads out of the folder/,
  })) {
    const placeholder = 'Q'.repeat(name.length);
    await refuses(t, rename(await zipWith({ good: {}, [placeholder]: {} }), placeholder, name), message);
  }
});

test('refuses names that are too long', async (t) => {
  await receive(t, await zipWith({ [`${'a'.repeat(255)}/b`]: {}, c: {} }));
  await refuses(t, await zipWith({ ['a'.repeat(256)]: {} }), /longer than 255 bytes/);
  await refuses(t, await zipWith({ [`d/${'é'.repeat(128)}/f`]: {} }), /longer than 255 bytes/);
  await refuses(t, await zipWith({ ['a/'.repeat(1100)]: {}, b: {} }), /longer than 2048 bytes/);
});

test('refuses links and special files', async (t) => {
  await receive(t, await zipWith({ a: { mode: 0o100755 }, 'b/': {} }));
  for (const [kind, mode] of Object.entries({
    link: 0o120777,
    fifo: 0o010644,
    device: 0o020644,
    block: 0o060644,
    socket: 0o140755,
  })) {
    await refuses(
      t,
      await zipWith({ good: {}, [kind]: { data: '/etc/passwd', mode } }),
      new RegExp(`"${kind}" is a link`),
    );
  }
  await refuses(t, await zipWith({ a: { mode: 0o040755 } }), /folder by its mode/);
  await refuses(t, rename(await zipWith({ good: {}, 'contents!': {} }), 'contents!', 'contents/'), /has content/);
});

test('refuses what is encrypted or compressed in another way', async (t) => {
  const zip = await zipWith({ secret: {} });
  const flagged = (bits: number): Buffer =>
    patch(zip, (bytes, { field }) => {
      const at = field(8);
      if (at < bytes.length) bytes.writeUInt16LE(bytes.readUInt16LE(at) | bits, at);
    });
  await refuses(t, flagged(1), /"secret" is encrypted/);
  await refuses(t, flagged(0x41), /encryption/);
  const method = (value: number): Buffer => patch(zip, (bytes, { field }) => setIfThere(bytes, field(10), value, 2));
  await refuses(t, method(14), /"secret" is compressed in a way/);
});

test('refuses too many entries, too much, and too much of little', async (t) => {
  const many = await zipOf(Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`f${i}`, ''])));
  await refuses(t, many, /more than 100 entries/);
  await receive(t, many, { entries: 101 });
  const large = await zipWith({ a: { data: randomBytes(MIB) }, b: { data: randomBytes(MIB) } });
  await refuses(t, large, /unpacks to more than the limit of 2,097,151 bytes/, { unpackedBytes: 2 * MIB - 1 });
  await receive(t, large, { unpackedBytes: 2 * MIB });
  const bomb = await zipWith({ a: { data: Buffer.alloc(3 * MIB) } });
  await refuses(t, bomb, /unpacks to \d+ times its size; the limit is 200 times/);
  await receive(t, bomb, { ratio: 2000 });
  // Small ones are harmless whatever their ratio.
  await receive(t, await zipWith({ a: { data: Buffer.alloc(MIB) } }), { ratio: 2 });
});

test('refuses sizes that lie', async (t) => {
  const text = 'hello '.repeat(100);
  const deflated = await zipWith({ a: { data: text } });
  const sized = (zip: Buffer, size: number): Buffer =>
    patch(zip, (bytes, { field }) => setIfThere(bytes, field(24), size, 4));
  await refuses(t, sized(deflated, 10), /"a" is larger than the 10 bytes the zip says/);
  await refuses(t, sized(deflated, 599), /larger than the 599/);
  await refuses(t, sized(deflated, 601), /"a" has 600 bytes and the zip says it has 601/);
  await refuses(t, sized(await zipWith({ a: { data: text, compress: false } }), 10), /two different sizes/);
  const packed = patch(deflated, (bytes, { field }) => setIfThere(bytes, field(20), 5, 4));
  await refuses(t, packed, /"a" is damaged/);
  // The bomb that says it is small: stopped after what it admits to.
  const bomb = await zipWith({ a: { data: Buffer.alloc(15 * MIB) } });
  await refuses(t, sized(bomb, 1000), /larger than the 1000/);
});

test('refuses content that is not what was packed', async (t) => {
  const stored = await zipWith({ a: { data: 'hello world', compress: false } });
  const changed = Buffer.from(stored);
  changed[stored.indexOf('world')] = 0x57;
  await refuses(t, changed, /"a" is damaged \(its checksum differs\)/);
  const deflated = await zipWith({ a: { data: randomBytes(5000).toString('hex') } });
  const flipped = Buffer.from(deflated);
  flipped[2000] = (flipped[2000] ?? 0) ^ 0xff;
  await refuses(t, flipped, /"a"/);
});

test('refuses a name that is there twice, on any file system', async (t) => {
  const zip = await zipWith({ 'aaaa.txt': {}, 'bbbb.txt': {}, 'c/d': {} });
  await refuses(t, rename(zip, 'bbbb.txt', 'aaaa.txt'), /it holds "aaaa\.txt" twice/);
  await refuses(
    t,
    rename(await zipWith({ 'a.txt': {}, 'bbbb.txt': {} }), 'bbbb.txt', './/a.txt'),
    /it holds "a\.txt" twice/,
  );
  await refuses(t, rename(zip, 'bbbb.txt', 'AAAA.txt'), /"aaaa\.txt" and "AAAA\.txt" are one name/);
  await refuses(t, await zipWith({ 'e\u0301': {}, '\u00e9': {} }), /are one name/);
  await refuses(t, await zipWith({ a: {}, 'a/b': {} }), /"a" is both a file and a folder/);
  await refuses(t, await zipWith({ 'x/a/b/c': {}, 'x/A': {} }), /"x\/A" is both|"x\/a" is both/);
  await refuses(t, await zipWith({ a: {}, 'a/': {}, b: {} }), /"a" is both a file and a folder/);
});

test('a full disk is told as one, and leaves nothing', async (t) => {
  const directory = await folder(t);
  const mounted = join(directory, 'small');
  await mkdir(mounted);
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', mounted]);
  } catch (error) {
    t.skip(`a file system that can be filled needs root: ${error instanceof Error ? error.message : error}`);
    return;
  }
  try {
    const reader = createZipBundleReader({ directory: mounted });
    const zip = await zipWith({ a: { data: randomBytes(200_000) } });
    await assert.rejects(reader.receive(inPieces(zip), LIMITS), { code: 'AVK_DISK_FULL' });
    assert.deepEqual(await readdir(mounted), []);
    await (await reader.receive(inPieces(await zipOf({ a: '1' })), LIMITS)).dispose();
  } finally {
    await run('umount', [mounted]);
  }
});
