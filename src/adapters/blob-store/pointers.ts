import type { Dirent } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AvkError } from '../../domain/errors.ts';
import { codeOf } from './folders.ts';

const pointerSchema = z.strictObject({
  /** Name of the file with the bytes. */
  data: z.uuid(),
  sizeBytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

/** What is kept about a key. */
export type Pointer = z.infer<typeof pointerSchema>;

/** Not a character of keys: the key `a` and the folder of the key `a/b` can be side by side. */
const SUFFIX = '@';

export function pointerPath(directory: string, container: string, key: string): string {
  return `${join(directory, container, 'keys', key)}${SUFFIX}`;
}

/**
 * Null when there is none.
 *
 * @throws AvkError AVK_BLOB_CORRUPT when the file is not what was written
 */
export async function readPointer(path: string): Promise<Pointer | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null;
    throw error;
  }
  try {
    return pointerSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new AvkError('AVK_BLOB_CORRUPT', `${path} was damaged`, { cause: error });
  }
}

/** All keys of a container that begin with `prefix`, in no order. Reads only the folders that can hold such keys. */
export async function keysIn(directory: string, container: string, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  const root = join(directory, container, 'keys');
  const walk = async (folder: string): Promise<void> => {
    for (const entry of await entriesOf(join(root, folder))) {
      const path = folder + entry.name;
      if (entry.isDirectory()) {
        const below = `${path}/`;
        if (below.startsWith(prefix) || prefix.startsWith(below)) await walk(below);
      } else if (path.endsWith(SUFFIX) && path.startsWith(prefix)) {
        const key = path.slice(0, -SUFFIX.length);
        if (key.startsWith(prefix)) keys.push(key);
      }
    }
  };
  await walk('');
  return keys;
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
