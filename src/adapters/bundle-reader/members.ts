import { type Entry, getFileNameLowLevel } from 'yauzl';
import { badZip, quote } from './refusal.ts';

/** An entry whose name and kind are in order. */
export interface Member {
  entry: Entry;
  /** Relative, without `.`, `..` and empty segments. */
  path: string;
  folder: boolean;
  /** What macOS adds for itself. */
  junk: boolean;
}

/** The bits of a Unix mode that say what kind of file it is. */
const KIND = 0o170000;
const REGULAR = 0o100000;
const FOLDER = 0o040000;
/** What Linux takes for one name, and what leaves room for the folders above an app. */
const SEGMENT_BYTES = 255;
const PATH_BYTES = 2048;
const STORED = 0;
const DEFLATED = 8;

/** @throws AvkError AVK_BAD_ZIP */
export function readMember(entry: Entry): Member {
  // Strict: a backslash is no separator, it is refused below.
  const name = getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, true);
  const path = checkedPath(name);
  const folder = name.endsWith('/');
  checkKind(entry, name, folder);
  if (entry.isEncrypted()) throw badZip(`${quote(name)} is encrypted`);
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) {
    throw badZip(`${quote(name)} is compressed in a way (method ${entry.compressionMethod}) other than deflate`);
  }
  if (entry.compressionMethod === STORED && entry.compressedSize !== entry.uncompressedSize) {
    throw badZip(`${quote(name)} has two different sizes`);
  }
  const parts = path.split('/');
  return { entry, path, folder, junk: parts[0] === '__MACOSX' || parts.at(-1) === '.DS_Store' };
}

function checkedPath(name: string): string {
  if (name.includes('\0')) throw badZip(`the name ${quote(name)} holds a NUL character`);
  if (name.includes('\\')) throw badZip(`the name ${quote(name)} holds a backslash; folders are separated by /`);
  if (name.startsWith('/') || /^[A-Za-z]:/.test(name)) throw badZip(`${quote(name)} is an absolute path`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw badZip(`${quote(name)} leads out of the folder`);
  const path = parts.join('/');
  // `./`, the zipped folder itself, is a folder without a path.
  if (path === '' && !name.endsWith('/')) throw badZip('an entry has no name');
  if (parts.some((part) => Buffer.byteLength(part) > SEGMENT_BYTES)) {
    throw badZip(`a name in ${quote(name)} is longer than ${SEGMENT_BYTES} bytes`);
  }
  if (Buffer.byteLength(path) > PATH_BYTES) throw badZip(`the path ${quote(name)} is longer than ${PATH_BYTES} bytes`);
  return path;
}

function checkKind(entry: Entry, name: string, folder: boolean): void {
  const kind = (entry.externalFileAttributes >>> 16) & KIND;
  if (kind !== 0 && kind !== REGULAR && kind !== FOLDER) {
    throw badZip(`${quote(name)} is a link or a special file; only files and folders are taken`);
  }
  if (kind === FOLDER && !folder) throw badZip(`${quote(name)} is a folder by its mode and a file by its name`);
  if (folder && entry.uncompressedSize > 0) throw badZip(`the folder ${quote(name)} has content`);
}

/**
 * Refuses what would be one name on some file system: the same file twice, also when only case or the composition of
 * accents differs, and a file where a folder is too. Folders may be listed repeatedly.
 *
 * @throws AvkError AVK_BAD_ZIP
 */
export function checkDistinct(members: readonly Member[]): void {
  const files = new Map<string, string>();
  for (const { path, folder } of members) {
    if (folder) continue;
    const key = sameOnSome(path);
    const other = files.get(key);
    if (other === path) throw badZip(`it holds ${quote(path)} twice`);
    if (other !== undefined) throw badZip(`${quote(other)} and ${quote(path)} are one name where case does not count`);
    files.set(key, path);
  }
  for (const { path, folder } of members) {
    const parts = sameOnSome(path).split('/');
    if (!folder) parts.pop();
    for (let above = ''; parts.length > 0; ) {
      above += parts.shift() ?? '';
      const file = files.get(above);
      if (file !== undefined) throw badZip(`${quote(file)} is both a file and a folder`);
      above += '/';
    }
  }
}

function sameOnSome(path: string): string {
  return path.normalize('NFC').toLowerCase();
}

/** Takes the top folder off when there is only one and everything is below it. */
export function stripOnlyFolder(members: readonly Member[]): Member[] {
  const kept = members.filter((member) => !member.junk && member.path !== '');
  const top = kept[0]?.path.split('/')[0];
  const allBelow = kept.every(({ path, folder }) => path.startsWith(`${top}/`) || (folder && path === top));
  if (top === undefined || !allBelow) return kept;
  return kept.flatMap((member) =>
    member.path === top ? [] : [{ ...member, path: member.path.slice(top.length + 1) }],
  );
}
