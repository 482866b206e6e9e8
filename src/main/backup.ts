import { createHash } from 'node:crypto';
import { createReadStream, linkSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import { BACKUP_FORMAT, type BackupManifest, MANIFEST } from './backup-format.ts';
import type { Home } from './home.ts';
import { VERSION } from './version.ts';

/** What the living say of themselves; the next start says it anew. */
const NOT_KEPT = new Set(['registry.db']);

export interface BackupDeps {
  home: Home;
  clock: Clock;
  random: Random;
}

/** Where copies are made; emptied at each start. */
export function backupFolder(home: Home): string {
  return home.path('backups');
}

/**
 * All of a running platform's state as a zip: databases, blobs, keys. The databases are read as they are at one moment:
 * all read transactions begin without anything else of this process running in between, so the backup is what a crash
 * at that moment would have left, and the platform can bear a crash at any. Blobs are immutable files, linked in that
 * moment. Nothing waits meanwhile.
 *
 * The zip holds the keys that secrets are sealed with: whoever has it has all.
 */
export async function createBackup(deps: BackupDeps): Promise<Readable> {
  const { home } = deps;
  const folder = join(backupFolder(home), deps.random.uuid());
  await mkdir(join(folder, 'state'), { recursive: true, mode: 0o700 });
  try {
    const names = (await readdir(home.path('state'))).filter((name) => name.endsWith('.db') && !NOT_KEPT.has(name));
    const files = names.map((name) => ({
      name,
      db: new DatabaseSync(home.path('state', name), { readOnly: true, timeout: 5000 }),
    }));
    try {
      for (const { db } of files) {
        db.exec('BEGIN');
        db.prepare('SELECT count(*) FROM sqlite_schema').get();
      }
      linkTree(home.path('blobs'), join(folder, 'blobs'));
      for (const { name, db } of files) await backup(db, join(folder, 'state', name));
    } finally {
      for (const { db } of files) db.close();
    }
    linkTree(home.path('keys'), join(folder, 'keys'));
    return await zip(folder, deps);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Links every file of a tree, so that nobody who removes or replaces one takes it away from us. */
function linkTree(from: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: 0o700 });
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const target = join(to, relative(from, entry.parentPath), entry.name);
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    linkSync(join(entry.parentPath, entry.name), target);
  }
}

async function zip(folder: string, { clock }: BackupDeps): Promise<Readable> {
  const file = new ZipFile();
  const manifest: BackupManifest = {
    format: BACKUP_FORMAT,
    version: VERSION,
    createdAt: new Date(clock.now()).toISOString(),
    files: {},
  };
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path);
    // SQLite's own files beside a copy are empty or of no use without it.
    if (/\.db-(wal|shm)$/.test(name)) continue;
    manifest.files[name] = { sha256: await sha256(path), bytes: (await stat(path)).size };
    file.addFile(path, name, { mode: 0o100600 });
  }
  file.addBuffer(Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`), MANIFEST, { mode: 0o100600 });
  file.end();
  const out = new PassThrough();
  out.on('close', () => rmSync(folder, { recursive: true, force: true }));
  // Whoever reads the stream is told by it; there is nobody else to tell.
  pipeline(file.outputStream as Readable, out).catch((error) => out.destroy(error as Error));
  return out;
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
