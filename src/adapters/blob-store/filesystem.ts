import { createHash, randomUUID } from 'node:crypto';
import { constants, copyFile, type FileHandle, link, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { AvkError, messageOf } from '../../domain/errors.ts';
import type { BlobInfo, BlobStore } from '../../ports/blob-store.ts';
import { codeOf, makeFolder, syncFolder } from './folders.ts';
import { checkContainer, checkKey, checkPrefix } from './keys.ts';
import { keysIn, type Pointer, pointerPath, readPointer } from './pointers.ts';
import { sweep } from './sweep.ts';
import { verifiedStream } from './verified-stream.ts';

export interface FilesystemBlobsOptions {
  /** Made if it is missing; its file system must be local (rename and fsync have to mean what they say). */
  directory: string;
  /**
   * Leftovers of a crash are removed at opening when they are at least so old: younger ones could be another process's
   * put under way. Default 10 minutes.
   */
  leftoverAgeMs?: number;
}

/**
 * Blobs as files: `<container>/data/<uuid>` holds the bytes of one key and never changes; `<container>/keys/<key>@` is
 * a small pointer to them with length and checksum. Replacing the pointer by rename is what makes a put visible, so
 * bytes and checksum change together. Data without a pointer are what a crash left, and swept when the store opens.
 */
export async function createFilesystemBlobs(options: FilesystemBlobsOptions): Promise<BlobStore> {
  const { directory } = options;
  await guarded(() => makeFolder(directory));
  await sweep(directory, options.leftoverAgeMs ?? 600_000);
  const lock = createKeyLock();

  /** Makes the data file the key's, and lets go of the one it had. */
  const publish = (container: string, key: string, pointer: Pointer): Promise<void> =>
    lock(`${container}/${key}`, async () => {
      const path = pointerPath(directory, container, key);
      const old = await readPointer(path);
      await writePointer(directory, container, path, pointer);
      if (old) await removeData(directory, container, old);
    });

  return {
    async put(container, key, data) {
      if (!(data instanceof Uint8Array)) {
        // It may fail while nobody reads it yet; the loop that reads it then gets the error.
        data.once('error', () => undefined);
      }
      checkContainer(container);
      checkKey(key);
      return await guarded(async () => {
        const pointer = await writeData(directory, container, data);
        try {
          await publish(container, key, pointer);
        } catch (error) {
          await removeData(directory, container, pointer);
          throw error;
        }
        return { key, sizeBytes: pointer.sizeBytes, sha256: pointer.sha256 };
      });
    },

    async get(container, key) {
      checkContainer(container);
      checkKey(key);
      return await guarded(() =>
        withData(directory, container, key, async (pointer, path): Promise<Readable> => {
          return verifiedStream(await open(path, 'r'), pointer, `${container}/${key}`);
        }),
      );
    },

    async head(container, key) {
      checkContainer(container);
      checkKey(key);
      const pointer = await readPointer(pointerPath(directory, container, key));
      return pointer && { key, sizeBytes: pointer.sizeBytes, sha256: pointer.sha256 };
    },

    async copy(from, to) {
      for (const side of [from, to]) {
        checkContainer(side.container);
        checkKey(side.key);
      }
      return await guarded(async () => {
        const copied = await withData(directory, from.container, from.key, async (pointer, path): Promise<Pointer> => {
          const folder = join(directory, to.container, 'data');
          await makeFolder(folder);
          const name = randomUUID();
          await duplicate(path, join(folder, name));
          await syncFolder(folder);
          return { ...pointer, data: name };
        });
        try {
          await publish(to.container, to.key, copied);
        } catch (error) {
          await removeData(directory, to.container, copied);
          throw error;
        }
        return { key: to.key, sizeBytes: copied.sizeBytes, sha256: copied.sha256 };
      });
    },

    async list(container, prefix = '') {
      checkContainer(container);
      checkPrefix(prefix);
      const found: BlobInfo[] = [];
      for (const key of (await keysIn(directory, container, prefix)).sort()) {
        const pointer = await readPointer(pointerPath(directory, container, key));
        // Null when it was deleted in the meantime.
        if (pointer) found.push({ key, sizeBytes: pointer.sizeBytes, sha256: pointer.sha256 });
      }
      return found;
    },

    async delete(container, key) {
      checkContainer(container);
      checkKey(key);
      await lock(`${container}/${key}`, async () => {
        const path = pointerPath(directory, container, key);
        const pointer = await readPointer(path);
        if (!pointer) return;
        await unlink(path);
        await syncFolder(dirname(path));
        await removeData(directory, container, pointer);
      });
    },
  };
}

/** Streams the bytes into a file of their own. Resolves when they are durable; leaves nothing when it fails. */
async function writeData(directory: string, container: string, data: Readable | Uint8Array): Promise<Pointer> {
  const name = randomUUID();
  const temporaryFolder = join(directory, container, 'tmp');
  const dataFolder = join(directory, container, 'data');
  await makeFolder(temporaryFolder);
  await makeFolder(dataFolder);
  const temporary = join(temporaryFolder, name);
  const hash = createHash('sha256');
  let sizeBytes = 0;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      for await (const piece of data instanceof Uint8Array ? [data] : data) {
        const chunk: Uint8Array = typeof piece === 'string' ? Buffer.from(piece) : piece;
        hash.update(chunk);
        sizeBytes += chunk.byteLength;
        await writeAll(file, chunk);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(dataFolder, name));
  } catch (error) {
    await unlink(temporary).catch(ignoreMissing);
    throw error;
  }
  await syncFolder(dataFolder);
  return { data: name, sizeBytes, sha256: hash.digest('hex') };
}

/** A second name for the same bytes, which never change; where the file system has no such thing, a copy. */
async function duplicate(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK', 'EXDEV'].includes(codeOf(error))) throw error;
    await copyFile(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    const file = await open(to, 'r+');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.byteLength; ) {
    offset += (await file.write(chunk, offset)).bytesWritten;
  }
}

async function writePointer(directory: string, container: string, path: string, pointer: Pointer): Promise<void> {
  const temporary = join(directory, container, 'tmp', randomUUID());
  try {
    await makeFolder(dirname(temporary));
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(pointer)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await makeFolder(dirname(path));
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(ignoreMissing);
    throw error;
  }
  await syncFolder(dirname(path));
}

async function removeData(directory: string, container: string, pointer: Pointer): Promise<void> {
  // Readers that have it open go on reading. What cannot be removed now is swept at the next opening.
  await unlink(join(directory, container, 'data', pointer.data)).catch(ignoreMissing);
}

/**
 * Calls `use` with the key's pointer and the path of its bytes; again when a put replaced them between the two.
 *
 * @throws AvkError AVK_BLOB_NOT_FOUND; AVK_BLOB_CORRUPT when the bytes are gone though the pointer is not
 */
async function withData<T>(
  directory: string,
  container: string,
  key: string,
  use: (pointer: Pointer, path: string) => Promise<T>,
): Promise<T> {
  let last: string | null = null;
  for (;;) {
    const pointer = await readPointer(pointerPath(directory, container, key));
    if (!pointer) throw new AvkError('AVK_BLOB_NOT_FOUND', `there is no ${key} in ${container}`);
    const path = join(directory, container, 'data', pointer.data);
    try {
      return await use(pointer, path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      if (pointer.data === last) {
        throw new AvkError('AVK_BLOB_CORRUPT', `the bytes of ${container}/${key} are missing`, { cause: error });
      }
      last = pointer.data;
    }
  }
}

/** Turns the system's errors about space into AVK_DISK_FULL. */
async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (codeOf(error) === 'ENOSPC' || codeOf(error) === 'EDQUOT') {
      throw new AvkError('AVK_DISK_FULL', `the blob store's disk is full: ${messageOf(error)}`, { cause: error });
    }
    throw error;
  }
}

function ignoreMissing(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error;
}

/** Runs work on one key after the work on that key before it, so that no replaced data file is forgotten. */
function createKeyLock(): <T>(key: string, work: () => Promise<T>) => Promise<T> {
  const tails = new Map<string, Promise<unknown>>();
  return (key, work) => {
    const result = (tails.get(key) ?? Promise.resolve()).then(work);
    const tail = result
      .catch(() => undefined)
      .finally(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
    tails.set(key, tail);
    return result;
  };
}
