import { pipeline } from 'node:stream/promises';
import { crc32, createInflateRaw } from 'node:zlib';
import type { ZipFile } from 'yauzl';
import type { Member } from './members.ts';
import { badZip, quote } from './refusal.ts';

/**
 * Reads an entry through to its end, a piece at a time, and checks that it is what the zip says it is.
 *
 * @throws AvkError AVK_BAD_ZIP
 */
export async function readThrough(zip: ZipFile, member: Member, onPiece?: (piece: Buffer) => void): Promise<void> {
  const { entry } = member;
  const name = quote(member.path);
  // Raw: destroying yauzl's own inflate stream half-way does not free it.
  const packed = await zip.openReadStreamPromise(entry, { decodeFileData: false });
  let size = 0;
  let checksum = 0;
  const count = async (pieces: AsyncIterable<Buffer>): Promise<void> => {
    for await (const piece of pieces) {
      size += piece.length;
      if (size > entry.uncompressedSize) {
        throw badZip(`${name} is larger than the ${entry.uncompressedSize} bytes the zip says it has`);
      }
      checksum = crc32(piece, checksum);
      onPiece?.(piece);
    }
  };
  try {
    if (entry.compressionMethod === 0) await pipeline(packed, count);
    else await pipeline(packed, createInflateRaw(), count);
  } catch (error) {
    if (error instanceof Error && 'code' in error && /^Z_|^ERR_STREAM_PREMATURE/.test(String(error.code))) {
      throw badZip(`${name} is damaged (${error.message})`, error);
    }
    throw error;
  }
  if (size !== entry.uncompressedSize) {
    throw badZip(`${name} has ${size} bytes and the zip says it has ${entry.uncompressedSize}`);
  }
  if (checksum !== entry.crc32) throw badZip(`${name} is damaged (its checksum differs)`);
}
