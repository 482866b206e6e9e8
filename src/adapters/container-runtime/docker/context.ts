import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { type Header, type Pack, pack } from 'tar-stream';
import type { ZipFile } from 'yauzl';
import { AvkError } from '../../../domain/errors.ts';
import type { ImageSpec } from '../../../ports/container-runtime.ts';
import { diskError } from '../../host/write-file.ts';
import { receiveBundle } from '../receive-bundle.ts';
import { asZipError, badZip, openBundle, type ZipLimits, type ZipMember } from '../zip-members.ts';
import { type AppFiles, type BaseImages, READ, renderDockerfile } from './dockerfile.ts';
import { ignoredBy } from './dockerignore.ts';
import { type ContextFile, staticServerFiles } from './static-server.ts';

/** A file that decides how an app is built is no longer than this. */
const MAX_READ_BYTES = 16 * 1024 * 1024;

/** An app as it is built: its files and those that we add, each to be read as often as wanted. */
export interface BuildContext {
  /** The Dockerfile's text, to look at; the app's own, or rendered. */
  dockerfile: string;
  /** Where Docker finds it in the context. */
  dockerfilePath: string;
  /** The context as Docker wants it. */
  tar: () => Readable;
  /** The same for people: `Dockerfile`, the app below `app/`, and what the rendered one needs besides. */
  sources: () => Readable;
  close: () => void;
}

/**
 * Receives the bundle and finds out how it is built. It is a file without a name on this machine until closed, as
 * a zip is read from its end; nothing of it is unpacked here.
 *
 * @throws AvkError AVK_BAD_ZIP, AVK_BUILD_FAILED, AVK_DISK_FULL; the signal's reason
 */
export async function openContext(
  spec: ImageSpec,
  options: { baseImages: BaseImages; limits: ZipLimits; now: Date; signal: AbortSignal },
): Promise<BuildContext> {
  const folder = await mkdtemp(join(tmpdir(), 'avishkar-build-'));
  let file: ZipFile | undefined;
  try {
    const zip = join(folder, 'bundle.zip');
    const { signal, limits, now, baseImages } = options;
    await pipeline(await receiveBundle(spec, signal), createWriteStream(zip, { flags: 'wx', mode: 0o600 }), { signal });
    const bundle = await openBundle(zip, limits);
    file = bundle.file;
    const members = once(bundle.members);
    const described = await describe(spec, bundle.file, members, baseImages, now);
    return { ...described, close: () => bundle.file.close() };
  } catch (error) {
    file?.close();
    if (options.signal.aborted) throw options.signal.reason;
    throw diskError(asZipError(error));
  } finally {
    // An open file needs no name, and without one nothing of it stays, however this process ends.
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function describe(
  { manifest }: ImageSpec,
  zip: ZipFile,
  members: Map<string, ZipMember>,
  baseImages: BaseImages,
  now: Date,
): Promise<Omit<BuildContext, 'close'>> {
  const has = (path: string): boolean => members.has(path);
  const entry = members.get(manifest.entry);
  if (!entry || entry.folder) {
    throw new AvkError('AVK_BUILD_FAILED', `The app has no file ${manifest.entry} to start with.`);
  }
  const own = manifest.runtime === 'dockerfile';
  const dockerfile = own
    ? await readText(zip, entry)
    : renderDockerfile(manifest, await appFiles(zip, members, has), baseImages);
  const ours = manifest.runtime === 'static' ? staticServerFiles() : [];
  const header: ContextFile = { path: 'Dockerfile', data: Buffer.from(dockerfile) };
  const sources = (): Readable =>
    packed(zip, members, 'app/', now, [header, ...ours.map((each) => ({ ...each, path: `avishkar/${each.path}` }))]);
  const wanted = own ? await withoutIgnored(zip, members, manifest.entry) : members;
  return {
    dockerfile,
    dockerfilePath: own ? manifest.entry : 'Dockerfile',
    tar: own ? () => packed(zip, wanted, '', now, []) : sources,
    sources,
  };
}

async function withoutIgnored(
  zip: ZipFile,
  members: Map<string, ZipMember>,
  dockerfile: string,
): Promise<Map<string, ZipMember>> {
  const file = members.get('.dockerignore');
  if (!file || file.folder) return members;
  const ignored = ignoredBy(await readText(zip, file), [dockerfile, '.dockerignore']);
  return once([...members.values()].filter(({ path }) => !ignored(path)));
}

async function appFiles(zip: ZipFile, members: Map<string, ZipMember>, has: AppFiles['has']): Promise<AppFiles> {
  const texts = new Map<string, string>();
  for (const name of READ) {
    const member = members.get(name);
    if (member && !member.folder) texts.set(name, await readText(zip, member));
  }
  return { has, text: (path) => texts.get(path) ?? null };
}

async function readText(zip: ZipFile, { entry, path }: ZipMember): Promise<string> {
  if (entry.uncompressedSize > MAX_READ_BYTES) {
    throw new AvkError('AVK_BUILD_FAILED', `The file ${path} of the app is longer than 16 MiB.`);
  }
  return (await buffer(await zip.openReadStreamPromise(entry))).toString();
}

/** By path, with the folders that are only in the paths of others. No name stands for two things. */
function once(members: ZipMember[]): Map<string, ZipMember> {
  const byPath = new Map<string, ZipMember>();
  const folders = new Set<string>();
  for (const member of members) {
    const known = byPath.get(member.path);
    if (known && !(known.folder && member.folder)) throw badZip('it holds one name twice');
    byPath.set(member.path, member);
    const parts = member.path.split('/');
    for (let length = 1; length < parts.length; length += 1) folders.add(parts.slice(0, length).join('/'));
  }
  for (const path of folders) {
    const member = byPath.get(path);
    if (member && !member.folder) throw badZip('it holds one name twice');
    if (!member) byPath.set(path, { path, folder: true, mode: 0o755 } as ZipMember);
  }
  return byPath;
}

/** A tar of it all; a failure to read the zip fails the stream. Nothing is read before somebody reads the tar. */
function packed(
  zip: ZipFile,
  members: Map<string, ZipMember>,
  prefix: string,
  now: Date,
  files: ContextFile[],
): Readable {
  return Readable.from(pieces(zip, members, prefix, now, files), { objectMode: false });
}

async function* pieces(...what: Parameters<typeof packed>): AsyncGenerator<Buffer> {
  const tar = pack();
  // It is told by reading; a reader that went away does not want to know.
  tar.on('error', () => undefined);
  fill(tar, ...what).catch((error: Error) => tar.destroy(error));
  try {
    for await (const piece of tar) yield piece as Buffer;
  } catch (error) {
    throw asZipError(error);
  }
}

async function fill(
  tar: Pack,
  zip: ZipFile,
  members: Map<string, ZipMember>,
  prefix: string,
  now: Date,
  files: ContextFile[],
): Promise<void> {
  // The time is that of the build: browsers tell versions of a static app apart by it.
  for (const { path, data } of files) tar.entry({ name: path, mode: 0o644, mtime: now }, data);
  if (prefix) tar.entry({ name: prefix, type: 'directory', mode: 0o755, mtime: now });
  const ordered = [...members.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const { path, folder, mode, entry } of ordered) {
    const name = `${prefix}${path}`;
    if (folder) tar.entry({ name: `${name}/`, type: 'directory', mode, mtime: now });
    else
      await add(tar, { name, mode, mtime: now, size: entry.uncompressedSize }, await zip.openReadStreamPromise(entry));
  }
  tar.finalize();
}

async function add(tar: Pack, header: Partial<Header> & { name: string }, from: Readable): Promise<void> {
  await pipeline(from, tar.entry(header) as unknown as NodeJS.WritableStream);
}
