import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { ZipFile } from 'yazl';

/** The same files are the same bytes, whenever they are packed. */
const MADE = new Date(2026, 10, 22);

/** A zip of these files, path to text. */
export async function zipOf(files: Record<string, string>): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [path, text] of Object.entries(files)) zip.addBuffer(Buffer.from(text), path, { mtime: MADE });
  zip.end();
  return buffer(zip.outputStream as Readable);
}

/** The same as `ImageSpec.bundle` wants it; counts how often it is asked for. */
export function bundleOf(files: Record<string, string>): (() => Promise<Readable>) & { calls: number } {
  const bundle = Object.assign(
    async () => {
      bundle.calls += 1;
      return Readable.from([await zipOf(files)]);
    },
    { calls: 0 },
  );
  return bundle;
}
