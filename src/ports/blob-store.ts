import type { Readable } from 'node:stream';

export interface BlobInfo {
  key: string;
  sizeBytes: number;
  /** Lower-case hexadecimal. */
  sha256: string;
}

/**
 * Files that are too large for the database, in containers. Keys are `/`-separated segments of `[A-Za-z0-9._-]+`,
 * never `.` or `..`.
 *
 * @throws AvkError AVK_BLOB_NOT_FOUND, AVK_BLOB_CORRUPT (checksum differs), AVK_DISK_FULL
 */
export interface BlobStore {
  /** Replaces atomically: a reader sees the old bytes or the new ones. Durable when it resolves. A failed put leaves nothing. */
  put(container: string, key: string, data: Readable | Uint8Array): Promise<BlobInfo>;
  /** The bytes, verified: the stream fails with AVK_BLOB_CORRUPT before its end when they are not those that were put. */
  get(container: string, key: string): Promise<Readable>;
  head(container: string, key: string): Promise<BlobInfo | null>;
  /** Copies within the store, without going through this process where it can. */
  copy(from: { container: string; key: string }, to: { container: string; key: string }): Promise<BlobInfo>;
  /** In order of key. */
  list(container: string, prefix?: string): Promise<BlobInfo[]>;
  /** Harmless when there is none. */
  delete(container: string, key: string): Promise<void>;
}
