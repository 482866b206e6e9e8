import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { AvkError } from '../../domain/errors.ts';
import type { Pointer } from './pointers.ts';

const CHUNK_BYTES = 256 * 1024;

/** The file's bytes; fails with AVK_BLOB_CORRUPT instead of ending when they are not those of the pointer. Owns the file. */
export function verifiedStream(file: FileHandle, expected: Pointer, name: string): Readable {
  const hash = createHash('sha256');
  let position = 0;
  const readOn = async (): Promise<Buffer | null> => {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, position);
    position += bytesRead;
    if (bytesRead > 0) {
      const chunk = buffer.subarray(0, bytesRead);
      hash.update(chunk);
      return chunk;
    }
    if (position !== expected.sizeBytes) throw corrupt(`it has ${position} bytes instead of ${expected.sizeBytes}`);
    if (hash.digest('hex') !== expected.sha256) throw corrupt('its checksum differs');
    return null;
  };
  const corrupt = (how: string): AvkError => new AvkError('AVK_BLOB_CORRUPT', `${name} was damaged: ${how}`);
  return new Readable({
    highWaterMark: CHUNK_BYTES,
    read() {
      readOn().then(
        (chunk) => this.push(chunk),
        (error: Error) => this.destroy(error),
      );
    },
    destroy(error, callback) {
      file.close().then(
        () => callback(error),
        (closing: Error) => callback(error ?? closing),
      );
    },
  });
}
