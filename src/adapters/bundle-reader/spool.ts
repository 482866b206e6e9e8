import { createHash, randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { AvkError } from '../../domain/errors.ts';

const SPOOLED = /^upload-[0-9a-f-]{36}\.zip$/;

/** Makes the folder, for this user only, and removes what a process that crashed left in it. */
export function prepareSpool(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  for (const name of readdirSync(directory)) {
    if (SPOOLED.test(name)) rmSync(join(directory, name), { force: true });
  }
}

export interface Spooled {
  path: string;
  sizeBytes: number;
  /** Lower-case hexadecimal. */
  sha256: string;
}

/**
 * Writes the upload to a file of its own. Nothing is left of it when this fails, and the upload is ended.
 *
 * @throws AvkError AVK_TOO_LARGE; the system's errors
 */
export async function spool(directory: string, upload: Readable, most: number): Promise<Spooled> {
  const path = join(directory, `upload-${randomUUID()}.zip`);
  const hash = createHash('sha256');
  let sizeBytes = 0;
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      for await (const piece of upload) {
        const chunk = Buffer.from(piece as Uint8Array | string);
        sizeBytes += chunk.length;
        if (sizeBytes > most) {
          throw new AvkError('AVK_TOO_LARGE', `the zip is larger than the limit of ${formatBytes(most)}`);
        }
        hash.update(chunk);
        for (let offset = 0; offset < chunk.length; ) offset += (await file.write(chunk, offset)).bytesWritten;
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    upload.destroy();
    await rm(path, { force: true });
    throw error;
  }
  return { path, sizeBytes, sha256: hash.digest('hex') };
}

/** Exact, so that the limit can be found again in the configuration: `104,857,600 bytes (100 MB)`. */
export function formatBytes(bytes: number): string {
  const exact = `${bytes.toLocaleString('en-US')} bytes`;
  return bytes < 1024 * 1024 ? exact : `${exact} (${Math.round((bytes / 1024 / 1024) * 10) / 10} MB)`;
}
