import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { blobStoreContract } from '../../../test/contracts/blob-store.contract.ts';
import { dataFile, filesBelow, filesystemLab } from '../../../test/contracts/broken/blob-store-defects.ts';
import { expectContractToFail } from '../../../test/contracts/broken.ts';
import { createFilesystemBlobs } from './filesystem.ts';

const run = promisify(execFile);

blobStoreContract('filesystem', { create: () => filesystemLab() });

test('the contract notices a replace that is not atomic', () =>
  expectContractToFail(new URL('../../../test/contracts/broken/blob-store-torn-replace.fixture.ts', import.meta.url), [
    'leaves nothing of a put whose stream failed',
    'shows readers the old bytes or the new ones, while it replaces',
  ]));

test('the contract notices bytes that nobody verifies', () =>
  expectContractToFail(new URL('../../../test/contracts/broken/blob-store-unverified.fixture.ts', import.meta.url), [
    'fails before the end of bytes that were damaged',
  ]));

test('what a crash left is swept at the next opening, and nothing else', async (t) => {
  const lab = await filesystemLab();
  t.after(lab.cleanup);
  await lab.store.put('baseapps', 'kept/one', Buffer.from('1'));
  await lab.store.copy({ container: 'baseapps', key: 'kept/one' }, { container: 'baseapps', key: 'kept/two' });
  const before = await filesBelow(lab.directory);
  // A crash while bytes came in, one between bytes and pointer, one in a container that has nothing else.
  await writeFile(join(lab.directory, 'baseapps/tmp', randomUUID()), 'half');
  await writeFile(join(lab.directory, 'baseapps/data', randomUUID()), 'whole, but nobody points to it');
  await mkdir(join(lab.directory, 'other/tmp'), { recursive: true });
  await writeFile(join(lab.directory, 'other/tmp', randomUUID()), 'half');

  await createFilesystemBlobs({ directory: lab.directory });
  assert.equal((await filesBelow(lab.directory)).length, before.length + 3, 'young leftovers may be a put under way');
  const store = await createFilesystemBlobs({ directory: lab.directory, leftoverAgeMs: 0 });
  assert.deepEqual(await filesBelow(lab.directory), before);
  assert.equal((await buffer(await store.get('baseapps', 'kept/two'))).toString(), '1');
});

test('a crash between bytes and pointer leaves the old blob whole', async (t) => {
  const lab = await filesystemLab();
  t.after(lab.cleanup);
  await lab.store.put('baseapps', 'app', Buffer.from('old'));
  // All that a put does before its last rename.
  await writeFile(join(lab.directory, 'baseapps/data', randomUUID()), 'new');
  await writeFile(join(lab.directory, 'baseapps/tmp', randomUUID()), '{"data":');
  const store = await createFilesystemBlobs({ directory: lab.directory, leftoverAgeMs: 0 });
  assert.equal((await buffer(await store.get('baseapps', 'app'))).toString(), 'old');
});

test('replaced, deleted and failed blobs leave no files', async (t) => {
  const lab = await filesystemLab();
  t.after(lab.cleanup);
  for (let round = 0; round < 3; round++) await lab.store.put('baseapps', 'app', randomBytes(1000));
  await Promise.all([1, 2, 3, 4].map(() => lab.store.put('baseapps', 'app', randomBytes(1000))));
  await lab.store.copy({ container: 'baseapps', key: 'app' }, { container: 'baseapps', key: 'app' });
  assert.equal((await filesBelow(lab.directory)).length, 2, 'one of bytes, one pointer');
  const failing = new Readable({
    read() {
      this.destroy(new Error('broke off'));
    },
  });
  await assert.rejects(lab.store.put('baseapps', 'app', failing), /broke off/);
  assert.equal((await filesBelow(lab.directory)).length, 2);
  await lab.store.delete('baseapps', 'app');
  assert.deepEqual(await filesBelow(lab.directory), []);
});

test('a stream that had failed before is refused', async (t) => {
  const lab = await filesystemLab();
  t.after(lab.cleanup);
  const failed = new Readable({ read: () => undefined });
  failed.destroy(new Error('too late'));
  await assert.rejects(lab.store.put('baseapps', 'app', failed), /too late/);
  assert.equal(await lab.store.head('baseapps', 'app'), null);
});

test('bytes that are missing, short or long are corrupt, and so is a damaged pointer', async (t) => {
  const lab = await filesystemLab();
  t.after(lab.cleanup);
  const corrupt = { code: 'AVK_BLOB_CORRUPT' };
  const path = async (key: string): Promise<string> => {
    await lab.store.put('baseapps', key, randomBytes(1000));
    return await dataFile(lab.directory, 'baseapps', key);
  };
  await truncate(await path('short'), 999);
  await assert.rejects(buffer(await lab.store.get('baseapps', 'short')), corrupt);
  await truncate(await path('long'), 1001);
  await assert.rejects(buffer(await lab.store.get('baseapps', 'long')), corrupt);
  await unlink(await path('missing'));
  await assert.rejects(lab.store.get('baseapps', 'missing'), corrupt);
  const data = await path('pointer');
  await writeFile(join(lab.directory, 'baseapps/keys/pointer@'), '{}');
  await assert.rejects(lab.store.get('baseapps', 'pointer'), corrupt);
  // Which bytes it meant is not known any more, so opening must not take any away.
  await createFilesystemBlobs({ directory: lab.directory, leftoverAgeMs: 0 });
  assert.equal((await stat(data)).size, 1000);
});

test('files and folders are for the owner only', async (t) => {
  const lab = await filesystemLab();
  t.after(lab.cleanup);
  await lab.store.put('baseapps', 'a/b', Buffer.from('x'));
  for (const file of await filesBelow(lab.directory)) {
    assert.equal((await stat(join(lab.directory, file))).mode & 0o777, 0o600, file);
    for (let folder = dirname(file); folder !== '.'; folder = dirname(folder)) {
      assert.equal((await stat(join(lab.directory, folder))).mode & 0o777, 0o700, folder);
    }
  }
});

test('a large blob goes through in bounded memory', async (t) => {
  const lab = await filesystemLab();
  t.after(lab.cleanup);
  const megabyte = Buffer.alloc(1_048_576, 7);
  const before = process.memoryUsage.rss();
  let peak = before;
  const watch = (): void => {
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  const source = Readable.from(
    (function* () {
      for (let index = 0; index < 400; index++) {
        watch();
        yield megabyte;
      }
    })(),
  );
  const { sizeBytes } = await lab.store.put('baseapps', 'large', source);
  assert.equal(sizeBytes, 400 * 1_048_576);
  let read = 0;
  for await (const chunk of await lab.store.get('baseapps', 'large')) {
    read += (chunk as Buffer).length;
    watch();
  }
  assert.equal(read, sizeBytes);
  assert.ok(peak - before < 200 * 1_048_576, `${Math.round((peak - before) / 1_048_576)} MiB more than before`);
});

test('a full disk is AVK_DISK_FULL, and leaves the old blob and no files', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'avk-full-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', directory]);
  } catch {
    await rm(directory, { recursive: true });
    t.skip('a small file system cannot be mounted here');
    return;
  }
  t.after(async () => {
    await run('umount', [directory]);
    await rm(directory, { recursive: true });
  });
  const store = await createFilesystemBlobs({ directory });
  await store.put('baseapps', 'app', Buffer.from('old'));
  await assert.rejects(store.put('baseapps', 'app', randomBytes(4 * 1_048_576)), {
    code: 'AVK_DISK_FULL',
    status: 507,
  });
  assert.equal((await buffer(await store.get('baseapps', 'app'))).toString(), 'old');
  assert.equal((await filesBelow(directory)).length, 2);
});
