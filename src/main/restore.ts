import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { AvkError, messageOf } from '../domain/errors.ts';
import { BACKUP_PATH, type BackupManifest, backupManifestSchema, MANIFEST } from './backup-format.ts';
import { takeHome } from './home.ts';

export interface Restored {
  home: string;
  /** When the backup was made. */
  createdAt: string;
  files: number;
  /** Where the home that was there before is now. */
  setAside: string | null;
}

/**
 * Makes a home of a backup. It is unpacked beside the home and checked whole before it takes its place; a home that was
 * there is set aside, never removed.
 *
 * @throws AvkError AVK_BAD_ZIP, AVK_CONFLICT when there is a home and `replace` is not set, AVK_HOME_LOCKED, AVK_HOME_UNUSABLE
 */
export async function restoreBackup(
  file: string,
  directory: string,
  options: { replace: boolean; stamp: string },
): Promise<Restored> {
  const home = resolve(directory);
  const occupied = existsSync(home) && readdirSync(home).length > 0;
  if (occupied && !options.replace) {
    throw new AvkError(
      'AVK_CONFLICT',
      `there is a platform in ${home}; choose another folder with --home, or set it aside with --replace`,
    );
  }
  // Nobody may be using it while it is moved.
  if (occupied) takeHome(home).release();
  const staging = `${home}.restoring`;
  rmSync(staging, { recursive: true, force: true });
  try {
    mkdirSync(staging, { recursive: true, mode: 0o700 });
    const manifest = await unpack(file, staging);
    const setAside = occupied ? `${home}.before-${options.stamp}` : null;
    if (setAside) renameSync(home, setAside);
    else rmSync(home, { recursive: true, force: true });
    renameSync(staging, home);
    return { home, createdAt: manifest.createdAt, files: Object.keys(manifest.files).length, setAside };
  } catch (error) {
    rmSync(staging, { recursive: true, force: true });
    throw error instanceof AvkError ? error : bad(file, messageOf(error), error);
  }
}

async function unpack(file: string, staging: string): Promise<BackupManifest> {
  const zip = await openZip(file);
  const found = new Map<string, { sha256: string; bytes: number }>();
  let manifest: BackupManifest | null = null;
  try {
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName === MANIFEST) manifest = readManifest(file, await text(await open(zip, entry)));
      else found.set(entry.fileName, await write(zip, entry, file, staging));
    }
  } finally {
    zip.close();
  }
  if (!manifest) throw bad(file, `it holds no ${MANIFEST}, so it is no whole backup`);
  const wanted = manifest.files;
  for (const name of Object.keys(wanted)) if (!found.has(name)) throw bad(file, `${name} is missing`);
  for (const [name, { sha256, bytes }] of found) {
    const expected = wanted[name];
    if (expected?.sha256 !== sha256 || expected.bytes !== bytes) throw bad(file, `${name} was damaged`);
  }
  return manifest;
}

async function openZip(file: string): Promise<ZipFile> {
  try {
    return await openPromise(file);
  } catch (cause) {
    throw bad(file, messageOf(cause), cause);
  }
}

async function write(
  zip: ZipFile,
  entry: Entry,
  file: string,
  staging: string,
): Promise<{ sha256: string; bytes: number }> {
  const { fileName } = entry;
  if (!BACKUP_PATH.test(fileName) || fileName.split('/').includes('..')) {
    throw bad(file, `${JSON.stringify(fileName)} is nothing that a backup holds`);
  }
  const path = join(staging, fileName);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const hash = createHash('sha256');
  const source = await open(zip, entry);
  source.on('data', (chunk) => hash.update(chunk as Buffer));
  await pipeline(source, createWriteStream(path, { mode: 0o600, flags: 'wx', flush: true }));
  return { sha256: hash.digest('hex'), bytes: entry.uncompressedSize };
}

function open(zip: ZipFile, entry: Entry): Promise<Readable> {
  return zip.openReadStreamPromise(entry);
}

function readManifest(file: string, content: string): BackupManifest {
  const parsed = backupManifestSchema.safeParse(JSON.parse(content));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw bad(file, `${MANIFEST}: ${issue?.path.join('.')}: ${issue?.message}`);
}

function bad(file: string, why: string, cause?: unknown): AvkError {
  return new AvkError('AVK_BAD_ZIP', `${file} cannot be restored: ${why}`, { cause });
}
