import { randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import type { SFTPWrapper } from 'ssh2';
import { AvkError, messageOf } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Log } from '../../../ports/log.ts';
import { answer, deadline } from './answer.ts';
import { CHANNEL_MS, isChannelRefusal, noChannel } from './channel.ts';
import type { Connection } from './connection.ts';
import { type Machine, refused } from './failure.ts';

export interface Files {
  machine: Machine;
  clock: Clock;
  log: Log;
  get: (signal: AbortSignal) => Promise<Connection>;
}

export type PutFile = (
  path: string,
  data: Uint8Array | string,
  options: { signal: AbortSignal; mode?: number },
) => Promise<void>;

const FILE_MS = 60_000;
const CHUNK_BYTES = 32 * 1024;
/** Chunks on their way at once, so that a distant machine is not waited for with each. */
const CHUNKS_AT_ONCE = 16;

/** SFTP's numbers for what went wrong (version 3, which OpenSSH speaks). */
const NO_SUCH_FILE = 2;
const PERMISSION_DENIED = 3;
const FAILURE = 4;

/** Writes files over one SFTP session per connection; `Host.putFile` says what that means. */
export function createFiles({ machine, clock, log, get }: Files): PutFile {
  const sessions = new WeakMap<Connection, Promise<SFTPWrapper>>();

  async function session(signal: AbortSignal): Promise<{ sftp: SFTPWrapper; lost: AbortSignal }> {
    const connection = await get(signal);
    let opening = sessions.get(connection);
    if (!opening) {
      opening = openSession(connection);
      sessions.set(connection, opening);
      const forget = (): void => void sessions.delete(connection);
      opening.then((sftp) => sftp.once('close', forget), forget);
    }
    const made = opening;
    const sftp = await answer<SFTPWrapper>(signal, (callback) =>
      made.then((value) => callback(null, value), callback as () => void),
    );
    return { sftp, lost: connection.lost };
  }

  async function openSession({ client, lost }: Connection): Promise<SFTPWrapper> {
    using limit = deadline(clock, lost, CHANNEL_MS, () => noChannel(machine));
    try {
      const sftp = await answer<SFTPWrapper>(
        limit.signal,
        (callback) => client.sftp(callback),
        (late) => late.end(),
      );
      sftp.on('error', (error: Error) => log.warn({ machine: machine.name, reason: messageOf(error) }, 'SFTP failed'));
      return sftp;
    } catch (error) {
      if (!isChannelRefusal(error) && !/subsystem/.test(messageOf(error))) throw error;
      throw refused(machine, 'does not let the platform put files: its sshd_config needs a Subsystem sftp.', error);
    }
  }

  return async (path, data, { signal, mode = 0o644 }) => {
    using limit = deadline(
      clock,
      signal,
      FILE_MS,
      () => new AvkError('AVK_DEADLINE', `${path} was not written on ${machine.name} in ${FILE_MS / 1000} seconds.`),
    );
    limit.signal.throwIfAborted();
    const { sftp, lost } = await session(limit.signal);
    const bytes = typeof data === 'string' ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.length);
    const call = <T>(ask: (callback: (error: Error | null | undefined, value: T) => void) => void): Promise<T> =>
      answer(AbortSignal.any([limit.signal, lost]), ask);
    try {
      await replaceFile(sftp, call, path, bytes, mode);
    } catch (error) {
      throw await explained(sftp, error, path, bytes.length);
    }
  };

  /** SFTP says of a full disk that something failed, so it is looked at. */
  async function explained(sftp: SFTPWrapper, error: unknown, path: string, bytes: number): Promise<unknown> {
    const code = (error as { code?: unknown } | null)?.code;
    if (error instanceof AvkError || !(error instanceof Error) || typeof code !== 'number') return error;
    if (code === FAILURE && (await isFull(sftp, posix.dirname(path), bytes))) {
      return new AvkError('AVK_DISK_FULL', `The disk of ${machine.name} is full, so ${path} could not be written.`, {
        cause: error,
      });
    }
    const why =
      code === PERMISSION_DENIED
        ? `the user ${machine.username} may not`
        : code === NO_SUCH_FILE
          ? 'its folder is not there'
          : error.message;
    return Object.assign(new Error(`${path} cannot be written on ${machine.name}: ${why}`, { cause: error }), {
      code: code === PERMISSION_DENIED ? 'EACCES' : code === NO_SUCH_FILE ? 'ENOENT' : 'EIO',
    });
  }

  async function isFull(sftp: SFTPWrapper, folder: string, bytes: number): Promise<boolean> {
    using limit = deadline(clock, new AbortController().signal, CHANNEL_MS, () => noChannel(machine));
    for (let at = folder; ; at = posix.dirname(at)) {
      try {
        const disk = await answer<{ f_bavail: number; f_frsize: number; f_favail: number }>(limit.signal, (callback) =>
          sftp.ext_openssh_statvfs(at, callback),
        );
        return disk.f_bavail * disk.f_frsize < bytes + CHUNK_BYTES || disk.f_favail === 0;
      } catch (error) {
        if (posix.dirname(at) === at || (error as { code?: unknown }).code !== NO_SUCH_FILE) return false;
      }
    }
  }
}

type Call = <T>(ask: (callback: (error: Error | null | undefined, value: T) => void) => void) => Promise<T>;

async function replaceFile(sftp: SFTPWrapper, call: Call, path: string, bytes: Buffer, mode: number): Promise<void> {
  const folder = posix.dirname(path);
  const temporary = posix.join(folder, `.${posix.basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  const open = (): Promise<Buffer> => call<Buffer>((callback) => sftp.open(temporary, 'wx', { mode: 0o600 }, callback));
  let handle: Buffer;
  try {
    handle = await open();
  } catch (error) {
    if ((error as { code?: unknown }).code !== NO_SUCH_FILE) throw error;
    await makeFolders(sftp, call, folder);
    handle = await open();
  }
  try {
    await writeAll(sftp, call, handle, bytes);
    // Not given to `open`, where the umask would take bits away.
    await call<void>((callback) => sftp.fchmod(handle, mode, callback));
    await call<void>((callback) => sftp.ext_openssh_fsync(handle, callback));
    await call<void>((callback) => sftp.close(handle, callback));
    await call<void>((callback) => sftp.ext_openssh_rename(temporary, path, callback));
  } catch (error) {
    // Also when it was given up. If the connection is gone, the file stays; its name says what it is.
    sftp.close(handle, () => sftp.unlink(temporary, () => undefined));
    throw error;
  }
}

async function writeAll(sftp: SFTPWrapper, call: Call, handle: Buffer, bytes: Buffer): Promise<void> {
  for (let batch = 0; batch < bytes.length; batch += CHUNK_BYTES * CHUNKS_AT_ONCE) {
    const writes: Promise<void>[] = [];
    const end = Math.min(bytes.length, batch + CHUNK_BYTES * CHUNKS_AT_ONCE);
    for (let at = batch; at < end; at += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, end - at);
      writes.push(call<void>((callback) => sftp.write(handle, bytes, at, length, at, callback)));
    }
    await Promise.all(writes);
  }
}

async function makeFolders(sftp: SFTPWrapper, call: Call, folder: string): Promise<void> {
  try {
    await call<void>((callback) => sftp.mkdir(folder, { mode: 0o755 }, callback));
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === NO_SUCH_FILE && posix.dirname(folder) !== folder) {
      await makeFolders(sftp, call, posix.dirname(folder));
      await makeFolders(sftp, call, folder);
      return;
    }
    // SFTP has no word for one that is there already, e.g. made by another call at the same time.
    if (code !== FAILURE) throw error;
    const stats = await call<{ isDirectory(): boolean }>((callback) => sftp.stat(folder, callback));
    if (!stats.isDirectory()) throw error;
  }
}
