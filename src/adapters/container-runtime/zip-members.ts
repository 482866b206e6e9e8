import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { AvkError, messageOf } from '../../domain/errors.ts';
import { diskError } from '../host/write-file.ts';

/** The upload has checked all this before; here it is checked again, because here is where it would do harm. */
export interface ZipLimits {
  maxEntries: number;
  /** Of all files together, unpacked. */
  maxBytes: number;
}

/** A regular file or a folder of a bundle. */
export interface ZipMember {
  entry: Entry;
  /** Relative, without `.` and `..`. */
  path: string;
  folder: boolean;
  /** 0o755 or 0o644: executable bits are kept, and no other. */
  mode: number;
}

/** The bits of a Unix mode that say what kind of file it is. */
const KIND = 0o170000;
const REGULAR = 0o100000;
const FOLDER = 0o040000;

/**
 * Opens a bundle for reading its members in any order: regular files and folders only. When everything is below one
 * folder, that folder is left out, so that app.json is at the root. The caller closes the file.
 *
 * @throws what `asZipError` makes an AvkError of
 */
export async function openBundle(path: string, limits: ZipLimits): Promise<{ file: ZipFile; members: ZipMember[] }> {
  const file = await openPromise(path, { autoClose: false, lazyEntries: true, strictFileNames: false });
  try {
    return { file, members: stripOnlyFolder(await readMembers(file, limits)) };
  } catch (error) {
    file.close();
    throw error;
  }
}

async function readMembers(file: ZipFile, limits: ZipLimits): Promise<ZipMember[]> {
  const members: ZipMember[] = [];
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
function readMember(entry: Entry): ZipMember | null {
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
  return { entry, path: parts.join('/'), folder, mode: folder || (mode & 0o111) !== 0 ? 0o755 : 0o644 };
}

function stripOnlyFolder(members: ZipMember[]): ZipMember[] {
  const top = members[0]?.path.split('/')[0];
  const allBelow = members.every(({ path, folder }) => path.startsWith(`${top}/`) || (folder && path === top));
  if (top === undefined || !allBelow) return members;
  return members.flatMap((member) =>
    member.path === top ? [] : [{ ...member, path: member.path.slice(top.length + 1) }],
  );
}

/** What reading or unpacking a zip threw, as AVK_BAD_ZIP or AVK_DISK_FULL; other errors of this machine as they are. */
export function asZipError(error: unknown): unknown {
  if (error instanceof AvkError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'EEXIST' || code === 'ENOTDIR' || code === 'EISDIR') return badZip('it holds one name twice', error);
  if (code === 'ENAMETOOLONG') return badZip('a name in it is too long', error);
  const disk = diskError(error);
  if (disk !== error) return disk;
  // Only file system errors of this machine have an errno; the rest is what yauzl and zlib say about the zip.
  return (error as NodeJS.ErrnoException).syscall === undefined ? badZip(messageOf(error), error) : error;
}

export function badZip(why: string, cause?: unknown): AvkError {
  return new AvkError('AVK_BAD_ZIP', `The zip was refused: ${why}.`, { cause });
}

function quote(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}
