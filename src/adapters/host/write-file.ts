import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AvkError } from '../../domain/errors.ts';

/**
 * Replaces a file: whoever reads it sees the old bytes or the new ones, also after a power cut. Its folder must exist.
 *
 * @throws AvkError AVK_DISK_FULL; other errors of the file system as they are. A failed write leaves nothing.
 */
export async function writeFileAtomic(
  path: string,
  data: Uint8Array | string,
  options: { mode?: number; signal?: AbortSignal } = {},
): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await using file = await open(temporary, 'wx', 0o600);
    await file.writeFile(data);
    // Not given to `open`, where the umask would take bits away.
    await file.chmod(options.mode ?? 0o644);
    await file.sync();
    options.signal?.throwIfAborted();
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw diskError(error);
  }
  await syncFolder(folder);
}

/** Makes names in a folder (created, renamed, removed) survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(folder, 'r');
    await handle.sync();
  } catch (error) {
    // Some file systems cannot sync a folder; they order names by themselves.
    if (!['EINVAL', 'EISDIR', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw diskError(error);
  } finally {
    await handle?.close();
  }
}

/** AVK_DISK_FULL for a full disk or quota; anything else as it is. */
export function diskError(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new AvkError('AVK_DISK_FULL', 'The disk is full, so the file could not be written.', { cause: error });
}
