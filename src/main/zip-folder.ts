import { existsSync } from 'node:fs';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { ZipFile } from 'yazl';
import { AvkError } from '../domain/errors.ts';

/** An app's folder, about to be a zip. */
export interface FolderZip {
  /** Paths in the zip, in order. */
  files: string[];
  /** Of all files, before packing. */
  unpackedBytes: number;
  /** The zip's bytes. The same folder gives the same bytes wherever and whenever it is packed. */
  open(): Readable;
}

/** Names every folder leaves out: dependencies are installed by the platform, the rest is nobody else's business. */
const LEFT_OUT = new Set(['node_modules', '__pycache__']);
const DOTFILES_KEPT = new Set(['.dockerignore']);
/** What else to leave out: one name, or one path from the folder's root, on each line; `#` begins a comment. */
const IGNORE_FILE = '.avishkarignore';
/** The first day a zip can name. */
const NO_TIME = new Date(1980, 0, 1);

/**
 * Packs a folder as an app's zip: without node_modules, files that begin with a dot (such as .env and .git), and what
 * `.avishkarignore` names.
 *
 * @throws AvkError AVK_UNACCEPTABLE when it has no app.json, or holds a link
 */
export async function zipFolder(folder: string): Promise<FolderZip> {
  if (!existsSync(join(folder, 'app.json'))) {
    throw new AvkError('AVK_UNACCEPTABLE', `${folder} has no app.json, so it is not the folder of an app`);
  }
  const ignored = await readIgnored(folder);
  const files: { path: string; bytes: number; executable: boolean }[] = [];

  async function walk(below: string): Promise<void> {
    for (const name of (await readdir(join(folder, below))).sort()) {
      const path = below === '' ? name : `${below}/${name}`;
      if (LEFT_OUT.has(name) || (name.startsWith('.') && !DOTFILES_KEPT.has(name)) || ignored(path, name)) continue;
      const found = await lstat(join(folder, path));
      if (found.isDirectory()) await walk(path);
      else if (found.isFile()) files.push({ path, bytes: found.size, executable: (found.mode & 0o100) !== 0 });
      else {
        const kind = found.isSymbolicLink() ? 'a link' : 'neither a file nor a folder';
        throw new AvkError(
          'AVK_UNACCEPTABLE',
          `${path} is ${kind}, which a zip cannot carry; name it in ${IGNORE_FILE}`,
        );
      }
    }
  }

  await walk('');
  return {
    files: files.map(({ path }) => path),
    unpackedBytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    open() {
      const zip = new ZipFile();
      for (const { path, executable } of files) {
        const mode = executable ? 0o100755 : 0o100644;
        zip.addFile(join(folder, path), path, { mtime: NO_TIME, mode, forceDosTimestamp: true });
      }
      zip.end();
      const stream = zip.outputStream as Readable;
      zip.on('error', (error) => stream.destroy(error));
      return stream;
    },
  };
}

async function readIgnored(folder: string): Promise<(path: string, name: string) => boolean> {
  let text = '';
  try {
    text = await readFile(join(folder, IGNORE_FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const lines = text.split(/\r?\n/).map((line) => line.replace(/#.*/, '').trim());
  const entries = lines.filter((line) => line !== '').map((line) => line.replace(/^\.?\//, '').replace(/\/$/, ''));
  return (path, name) =>
    entries.some((entry) => (entry.includes('/') ? path === entry || path.startsWith(`${entry}/`) : name === entry));
}
