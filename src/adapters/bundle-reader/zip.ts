import { createReadStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { openPromise, type ZipFile } from 'yauzl';
import type { Bundle, BundleLimits, BundleReader } from '../../ports/bundle-reader.ts';
import { readThrough } from './content.ts';
import { checkDistinct, type Member, readMember, stripOnlyFolder } from './members.ts';
import { badZip, explain, quote } from './refusal.ts';
import { formatBytes, prepareSpool, type Spooled, spool } from './spool.ts';

export interface ZipBundleReaderOptions {
  /** Where uploads are while they are looked through. Of this reader only: what is in it at the start is removed. */
  directory: string;
}

/** What unpacks to less is harmless at any ratio; a file of spaces reaches a thousand. */
const RATIO_FREE_BYTES = 1024 * 1024;

/** Checks uploads in a file on disk; what is held in memory is the list of names. */
export function createZipBundleReader(options: ZipBundleReaderOptions): BundleReader {
  prepareSpool(options.directory);
  return {
    async receive(upload, limits) {
      let spooled: Spooled | undefined;
      try {
        spooled = await spool(options.directory, upload, limits.packedBytes);
        return bundleOf(spooled, await inspect(spooled, limits));
      } catch (error) {
        if (spooled) await rm(spooled.path, { force: true });
        // Before the file is there the errors are the upload's own, but for those of the disk.
        throw spooled || isDiskError(error) ? explain(error) : error;
      }
    },
  };
}

function isDiskError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

async function inspect(spooled: Spooled, limits: BundleLimits): Promise<Member[]> {
  const zip = await openZip(spooled);
  try {
    const members = await readMembers(zip, limits);
    const unpacked = members.reduce((sum, { entry }) => sum + entry.uncompressedSize, 0);
    const ratio = unpacked / spooled.sizeBytes;
    if (unpacked > RATIO_FREE_BYTES && ratio > limits.ratio) {
      throw badZip(`it unpacks to ${Math.round(ratio)} times its size; the limit is ${limits.ratio} times`);
    }
    checkDistinct(members);
    const kept = stripOnlyFolder(members);
    if (kept.every(({ folder }) => folder)) throw badZip('it holds no files');
    for (const member of members) await readThrough(zip, member);
    return kept.filter(({ folder }) => !folder);
  } finally {
    zip.close();
  }
}

async function readMembers(zip: ZipFile, limits: BundleLimits): Promise<Member[]> {
  const tooMany = `it has more than ${limits.entries.toLocaleString('en-US')} entries`;
  if (zip.entryCount > limits.entries) throw badZip(tooMany);
  const members: Member[] = [];
  let unpacked = 0;
  for await (const entry of zip.eachEntry()) {
    unpacked += entry.uncompressedSize;
    if (unpacked > limits.unpackedBytes) {
      throw badZip(`it unpacks to more than the limit of ${formatBytes(limits.unpackedBytes)}`);
    }
    members.push(readMember(entry));
  }
  return members;
}

async function openZip(spooled: Spooled): Promise<ZipFile> {
  if (spooled.sizeBytes === 0) throw badZip('the file is empty');
  try {
    // Names and sizes are checked here, with sentences that say which entry it is.
    return await openPromise(spooled.path, { autoClose: false, decodeStrings: false, validateEntrySizes: false });
  } catch (error) {
    if (isDiskError(error)) throw error;
    const begun = (await firstBytes(spooled.path)).startsWith('PK');
    throw badZip(begun ? 'it is cut off or has something after its end' : 'it is not a zip file', error);
  }
}

async function firstBytes(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}

function bundleOf(spooled: Spooled, files: readonly Member[]): Bundle {
  const { path, sizeBytes, sha256 } = spooled;
  const byPath = new Map(files.map((member) => [member.path, member]));
  return {
    sizeBytes,
    sha256,
    files: files.map((member) => ({ path: member.path, sizeBytes: member.entry.uncompressedSize })),
    async readText(name, maxBytes) {
      const member = byPath.get(name);
      if (!member) return null;
      if (member.entry.uncompressedSize > maxBytes) {
        throw badZip(`${quote(name)} is larger than ${formatBytes(maxBytes)}`);
      }
      const pieces: Buffer[] = [];
      const zip = await openZip(spooled);
      try {
        await readThrough(zip, member, (piece) => pieces.push(piece));
      } finally {
        zip.close();
      }
      return decode(name, Buffer.concat(pieces));
    },
    open: () => createReadStream(path),
    dispose: () => rm(path, { force: true }),
  };
}

function decode(name: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw badZip(`${quote(name)} is not UTF-8 text`, error);
  }
}
