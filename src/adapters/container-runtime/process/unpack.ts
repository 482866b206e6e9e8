import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ZipFile } from 'yauzl';
import { asZipError, openBundle, type ZipLimits, type ZipMember } from '../zip-members.ts';

/**
 * Unpacks a zip into an existing folder: regular files and folders only, executable bits kept. When everything is
 * below one folder, that folder is left out, so that app.json is at the root.
 *
 * @throws AvkError AVK_BAD_ZIP, AVK_DISK_FULL; the signal's reason
 */
export async function unpack(zip: string, into: string, limits: ZipLimits, signal: AbortSignal): Promise<void> {
  let file: ZipFile | undefined;
  try {
    const bundle = await openBundle(zip, limits);
    file = bundle.file;
    for (const member of bundle.members) {
      signal.throwIfAborted();
      const target = join(into, member.path);
      await mkdir(member.folder ? target : dirname(target), { recursive: true });
      if (!member.folder) await extract(file, member, target, signal);
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw asZipError(error);
  } finally {
    file?.close();
  }
}

async function extract(file: ZipFile, { entry, mode }: ZipMember, target: string, signal: AbortSignal): Promise<void> {
  // yauzl fails the stream as soon as there are more bytes than the entry's size says.
  const from = await file.openReadStreamPromise(entry);
  await pipeline(from, createWriteStream(target, { flags: 'wx', mode }), { signal });
}
