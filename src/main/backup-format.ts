import { z } from 'zod';

export const MANIFEST = 'backup.json';
export const BACKUP_FORMAT = 1;

/** `backup.json`, the last entry of a backup's zip. */
export const backupManifestSchema = z.object({
  format: z.literal(BACKUP_FORMAT, 'expected a backup of a format that this version reads'),
  /** Of the platform that made it. */
  version: z.string(),
  createdAt: z.string(),
  /** Every other file in the zip. */
  files: z.record(z.string(), z.object({ sha256: z.string(), bytes: z.number() })),
});
export type BackupManifest = z.infer<typeof backupManifestSchema>;

/** What may lie in a backup: nothing else is ever written into a home. */
export const BACKUP_PATH = /^(state\/[a-z-]+\.db|keys\/[a-z.]+|blobs\/[^\\]+)$/;
