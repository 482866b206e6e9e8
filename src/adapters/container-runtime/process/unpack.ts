import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { AvkError, messageOf } from '../../../domain/errors.ts';
import { diskError } from '../../host/write-file.ts';

/** The upload has checked all this before; here it is checked again, because here is where it would do harm. */
export interface UnpackLimits {
  maxEntries: number;
  /** Of all files together, unpacked. */
  maxBytes: number;
}

/** The bits of a Unix mode that say what kind of file it is. */
const KIND = 0o170000;
const REGULAR = 0o100000;
const FOLDER = 0o040000;

interface Member {
  entry: Entry;
  /** Relative, without `.` and `..`. */
  path: string;
  folder: boolean;
}

/**
 * Unpacks a zip into an existing folder: regular files and folders only, executable bits kept. When everything is
 * below one folder, that folder is left out, so that app.json is at the root.
 *
 * @throws AvkError AVK_BAD_ZIP, AVK_DISK_FULL; the signal's reason
 */
export async function unpack(zip: string, into: string, limits: UnpackLimits, signal: AbortSignal): Promise<void> {
  let file: ZipFile | undefined;
  try {
    file = await openPromise(zip, { autoClose: false, lazyEntries: true, strictFileNames: false });
    const members = stripOnlyFolder(await readMembers(file, limits));
    for (const { entry, path, folder } of members) {
      signal.throwIfAborted();
      const target = join(into, path);
      await mkdir(folder ? target : dirname(target), { recursive: true });
      if (!folder) await extract(file, entry, target, signal);
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw asZipError(error);
  } finally {
    file?.close();
  }
}

async function readMembers(file: ZipFile, limits: UnpackLimits): Promise<Member[]> {
  const members: Member[] = [];
  let bytes = 0;
  for await (const entry of file.eachEntry()) {
    bytes += entry.uncompressedSize;
    if (members.length >= limits.maxEntries) throw badZip(`it has more than ${limits.maxEntries} entries`);
    if (bytes > limits.maxBytes) throw badZip(`it unpacks to more than ${limits.maxBytes} bytes`);
    const member = readMember(entry);
    if (member) members.push(member);
  }
  return members;
}

/** Null for what macOS adds to a zip for itself. Absolute paths and `..` were refused by yauzl before. */
function readMember(entry: Entry): Member | null {
  const name = entry.fileName;
  const folder = name.endsWith('/');
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  // Left by macOS; the upload passed over them, too, when it looked for the zip's only folder.
  if (parts[0] === '__MACOSX' || parts.at(-1) === '.DS_Store') return null;
  const mode = entry.externalFileAttributes >>> 16;
  const kind = mode & KIND;
  if (kind !== 0 && kind !== REGULAR && kind !== FOLDER) throw badZip(`${quote(name)} is a link or a special file`);
  if (entry.isEncrypted()) throw badZip(`${quote(name)} is encrypted`);
  if (name.includes('\0') || parts.includes('..')) throw badZip(`${quote(name)} is not a usable name`);
  if (parts.length === 0) {
    if (folder) return null;
    throw badZip('an entry has no name');
  }
  return { entry, path: parts.join('/'), folder };
}

function stripOnlyFolder(members: Member[]): Member[] {
  const top = members[0]?.path.split('/')[0];
  const allBelow = members.every(({ path, folder }) => path.startsWith(`${top}/`) || (folder && path === top));
  if (top === undefined || !allBelow) return members;
  return members.flatMap((member) =>
    member.path === top ? [] : [{ ...member, path: member.path.slice(top.length + 1) }],
  );
}

async function extract(file: ZipFile, entry: Entry, target: string, signal: AbortSignal): Promise<void> {
  const executable = ((entry.externalFileAttributes >>> 16) & 0o111) !== 0;
  // yauzl fails the stream as soon as there are more bytes than the entry's size says.
  const from = await file.openReadStreamPromise(entry);
  await pipeline(from, createWriteStream(target, { flags: 'wx', mode: executable ? 0o755 : 0o644 }), { signal });
}

function asZipError(error: unknown): unknown {
  if (error instanceof AvkError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'EEXIST' || code === 'ENOTDIR' || code === 'EISDIR') return badZip('it holds one name twice', error);
  if (code === 'ENAMETOOLONG') return badZip('a name in it is too long', error);
  const disk = diskError(error);
  if (disk !== error) return disk;
  // Only file system errors of this machine have an errno; the rest is what yauzl and zlib say about the zip.
  return (error as NodeJS.ErrnoException).syscall === undefined ? badZip(messageOf(error), error) : error;
}

function badZip(why: string, cause?: unknown): AvkError {
  return new AvkError('AVK_BAD_ZIP', `The zip was refused: ${why}.`, { cause });
}

function quote(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}
