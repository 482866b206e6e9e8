import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFilesystemBlobs } from '../../../src/adapters/blob-store/filesystem.ts';
import type { BlobStore } from '../../../src/ports/blob-store.ts';
import type { BlobStoreLab } from '../blob-store.contract.ts';

/** A filesystem store in a folder of its own; `breakIt` replaces methods. */
export async function filesystemLab(breakIt: (store: BlobStore, directory: string) => Partial<BlobStore> = () => ({})) {
  const directory = await mkdtemp(join(tmpdir(), 'avk-blobs-'));
  const store = await createFilesystemBlobs({ directory });
  const lab: BlobStoreLab & { directory: string } = {
    directory,
    store: { ...store, ...breakIt(store, directory) },
    corrupt: (container, key) => corruptFile(directory, container, key),
    cleanup: () => rm(directory, { recursive: true, force: true }),
  };
  return lab;
}

/** The file that holds a key's bytes. */
export async function dataFile(directory: string, container: string, key: string): Promise<string> {
  const pointer = JSON.parse(await readFile(join(directory, container, 'keys', `${key}@`), 'utf8')) as { data: string };
  return join(directory, container, 'data', pointer.data);
}

async function corruptFile(directory: string, container: string, key: string): Promise<void> {
  const path = await dataFile(directory, container, key);
  const bytes = await readFile(path);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

/** Every file below a folder, as paths from it. */
export async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}
