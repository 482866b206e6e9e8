import { AvkError } from '../../domain/errors.ts';

/** `why` goes on from "The zip was refused: ". */
export function badZip(why: string, cause?: unknown): AvkError {
  return new AvkError('AVK_BAD_ZIP', `The zip was refused: ${why}.`, { cause });
}

/** An entry's name for a sentence. */
export function quote(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}

/** The system's errors as ours: no space is AVK_DISK_FULL, what yauzl and zlib say is AVK_BAD_ZIP. */
export function explain(error: unknown): unknown {
  if (error instanceof AvkError || !(error instanceof Error)) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new AvkError('AVK_DISK_FULL', 'the disk that takes uploads is full; nothing was kept', { cause: error });
  }
  // Only errors of this machine's file system have a syscall.
  return syscall === undefined ? badZip(`it is damaged (${error.message})`, error) : error;
}
