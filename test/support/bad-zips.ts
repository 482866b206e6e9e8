import assert from 'node:assert/strict';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { ZipFile } from 'yazl';

/** A member of a zip, as a liar may make it. */
export interface Item {
  data?: string | Buffer;
  mode?: number;
  compress?: boolean;
}

export async function zipWith(items: Record<string, Item>): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [path, { data = 'x', mode = 0o100644, compress = true }] of Object.entries(items)) {
    if (path.endsWith('/')) zip.addEmptyDirectory(path);
    else zip.addBuffer(Buffer.from(data as string), path, { mode, compress });
  }
  zip.end();
  return buffer(zip.outputStream as Readable);
}

/** Offsets of the local headers and of the central ones. */
function headers(zip: Buffer): { local: number[]; central: number[] } {
  const central: number[] = [];
  const local: number[] = [];
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  for (let at = zip.readUInt32LE(end + 16); zip.readUInt32LE(at) === 0x02014b50; ) {
    central.push(at);
    local.push(zip.readUInt32LE(at + 42));
    at += 46 + zip.readUInt16LE(at + 28) + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return { local, central };
}

/** Changes fields of every central header, and of the local ones where they are also there. */
export function patch(
  zip: Buffer,
  change: (bytes: Buffer, at: { field: (central: number) => number }) => void,
): Buffer {
  const bytes = Buffer.from(zip);
  const { local, central } = headers(bytes);
  for (const start of central) change(bytes, { field: (offset) => start + offset });
  // From the version on, a local header lacks its first two bytes and the central one's last fields.
  for (const start of local) change(bytes, { field: (offset) => (offset < 32 ? start + offset - 2 : bytes.length) });
  return bytes;
}

export function setIfThere(bytes: Buffer, at: number, value: number, size: 2 | 4): void {
  if (at < bytes.length) bytes.writeUIntLE(value, at, size);
}

/** Puts another name of the same length in place of one. */
export function rename(zip: Buffer, from: string, to: string): Buffer {
  assert.equal(from.length, Buffer.byteLength(to, 'latin1'));
  const bytes = Buffer.from(zip);
  const wanted = Buffer.from(from);
  for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + 1)) bytes.write(to, at, 'latin1');
  return bytes;
}
