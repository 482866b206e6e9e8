import { execFile } from 'node:child_process';
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface SmallDisk {
  directory: string;
  /** Leaves no byte of it free. */
  fill(): Promise<void>;
  free(): Promise<void>;
  cleanup(): Promise<void>;
}

/** A file system of its own that can be filled, or the reason why there is none. Needs root. */
export async function smallDisk(megabytes: number): Promise<SmallDisk | string> {
  const directory = await mkdtemp(join(tmpdir(), 'avk-disk-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', directory]);
  } catch (error) {
    await rm(directory, { recursive: true });
    return `a disk that can be filled needs root and mount: ${error instanceof Error ? error.message : error}`;
  }
  const filler = join(directory, 'filler');
  return {
    directory,
    async fill() {
      const { bavail, bsize } = await statfs(directory);
      await writeFile(filler, Buffer.alloc(bavail * bsize)).catch((error) => {
        // Somebody else wrote meanwhile: full is full.
        if (error.code !== 'ENOSPC') throw error;
      });
    },
    free: () => rm(filler, { force: true }),
    async cleanup() {
      await run('umount', [directory]);
      await rm(directory, { recursive: true });
    },
  };
}
