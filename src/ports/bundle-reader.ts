import type { Readable } from 'node:stream';

/** What an uploaded zip may be at most. */
export interface BundleLimits {
  packedBytes: number;
  unpackedBytes: number;
  entries: number;
  /** Unpacked over packed size. */
  ratio: number;
}

/** An uploaded zip that was received whole and looked through. */
export interface Bundle {
  sizeBytes: number;
  sha256: string;
  /** Paths of the files, the zip's only top folder taken off if there is one. Checked: relative, inside, no links, none twice. */
  files: { path: string; sizeBytes: number }[];
  /** A file's text, or null when there is none. @throws AvkError AVK_BAD_ZIP when it is larger than `maxBytes` or not UTF-8 */
  readText(path: string, maxBytes: number): Promise<string | null>;
  /** The zip's bytes as received. */
  open(): Readable;
  /** Forgets it. Harmless when repeated. */
  dispose(): Promise<void>;
}

/** Receives and checks uploads without holding them in memory. */
export interface BundleReader {
  /**
   * @throws AvkError AVK_TOO_LARGE, AVK_BAD_ZIP with what is wrong and which entry, AVK_DISK_FULL; nothing is kept then
   */
  receive(upload: Readable, limits: BundleLimits): Promise<Bundle>;
}
