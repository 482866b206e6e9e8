import { readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from './folders.ts';
import { keysIn, pointerPath, readPointer } from './pointers.ts';

/** Removes what a crash left in any container: unfinished files, and data that no pointer names. */
export async function sweep(directory: string, leftoverAgeMs: number): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const folder = join(directory, entry.name);
    // Before the pointers are read: data that come later are not looked at.
    const data = await filesIn(join(folder, 'data'));
    const referenced = await namesInUse(directory, entry.name);
    for (const name of await filesIn(join(folder, 'tmp'))) await removeIfOld(join(folder, 'tmp', name), leftoverAgeMs);
    // A damaged pointer does not say which data it means, so then nothing is taken for unreferenced.
    if (referenced === null) continue;
    for (const name of data) {
      if (!referenced.has(name)) await removeIfOld(join(folder, 'data', name), leftoverAgeMs);
    }
  }
}

async function namesInUse(directory: string, container: string): Promise<Set<string> | null> {
  const names = new Set<string>();
  for (const key of await keysIn(directory, container, '')) {
    try {
      const pointer = await readPointer(pointerPath(directory, container, key));
      if (pointer) names.add(pointer.data);
    } catch {
      return null;
    }
  }
  return names;
}

async function filesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function removeIfOld(path: string, ageMs: number): Promise<void> {
  try {
    // The change of the file's own record, not of its bytes: a copy's name is younger than its bytes are.
    const { ctimeMs } = await stat(path);
    if (Date.now() - ctimeMs >= ageMs) await unlink(path);
  } catch (error) {
    // Another process was faster.
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}
