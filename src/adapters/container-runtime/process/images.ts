import { randomUUID } from 'node:crypto';
import { createWriteStream, existsSync, renameSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { AvkError, messageOf } from '../../../domain/errors.ts';
import { unsupportedRuntime } from '../../../domain/manifest.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { ImageSpec } from '../../../ports/container-runtime.ts';
import { runCommand } from '../../host/command.ts';
import { endFamily } from '../../host/family.ts';
import { listProcesses, readEnviron } from '../../host/proc.ts';
import { diskError, syncFolder, writeFileAtomic } from '../../host/write-file.ts';
import { receiveBundle } from '../receive-bundle.ts';
import { createSharedWork, type Waiting } from '../shared-work.ts';
import type { ZipLimits } from '../zip-members.ts';
import { createBuildLog } from './build-log.ts';
import { imageFolder, imageOfFolder } from './names.ts';
import { SUPPORTED_RUNTIMES, TOOLCHAINS } from './toolchains.ts';
import { unpack } from './unpack.ts';

/** The environment variable by which the processes of an interrupted build are found. */
const BUILD_MARKER = 'AVISHKAR_BUILD';
/** Written last. A folder without it is no image: its build is under way, or was interrupted. */
const RECORD = 'image.json';
/** Folders of this start are images being removed. */
const TRASH = '.trash-';

export interface ImagesOptions {
  /** `<home>/images`. */
  folder: string;
  /** Kept between builds. */
  cache: string;
  nodePath: string;
  environment: NodeJS.ProcessEnv;
  buildTimeoutMs: number;
  limits: ZipLimits;
  clock: Clock;
}

/**
 * Images as folders: `<folder>/<name>/app` is the unpacked app with its dependencies, beside it what its toolchain put
 * there, build.log and image.json. An image is made where it stays, as virtual environments name their own place; it
 * counts from the moment that image.json is in it, which comes last and in one step.
 */
export async function createImages(options: ImagesOptions) {
  const { folder, clock } = options;
  const shared = createSharedWork();
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await mkdir(options.cache, { recursive: true, mode: 0o700 });
  await sweepInterrupted(folder, clock);

  const pathOf = (image: string): string => join(folder, imageFolder(image));
  const has = (image: string): boolean => existsSync(join(pathOf(image), RECORD));

  /** Out of its name in one step, so that no half of it is taken for an image. */
  async function discard(path: string): Promise<void> {
    if (!existsSync(path)) return;
    const trash = join(folder, `${TRASH}${randomUUID()}`);
    renameSync(path, trash);
    await rm(trash, { recursive: true, force: true, maxRetries: 3 });
  }

  async function build(spec: ImageSpec, tell: (line: string) => void, abandoned: AbortSignal): Promise<void> {
    const toolchain = TOOLCHAINS[spec.manifest.runtime];
    if (!toolchain) throw unsupportedRuntime(spec.manifest.runtime, SUPPORTED_RUNTIMES);
    const path = pathOf(spec.image);
    const app = join(path, 'app');
    const home = join(path, 'home');
    const late = new AbortController();
    const signal = AbortSignal.any([abandoned, late.signal]);
    const timer = clock.after(options.buildTimeoutMs, () => {
      late.abort(new AvkError('AVK_BUILD_FAILED', `The build took longer than ${options.buildTimeoutMs / 1000} s.`));
    });
    // What an earlier try could not clear away.
    await discard(path);
    await mkdir(app, { recursive: true, mode: 0o700 });
    await mkdir(home, { mode: 0o700 });
    const log = createBuildLog(join(path, 'build.log'), tell);
    const run = (argv: readonly [string, ...string[]], env: Record<string, string>): Promise<number> =>
      runCommand(argv, {
        cwd: app,
        env,
        marker: `${BUILD_MARKER}=${path}`,
        signal,
        clock,
        onOutput: log.output,
        leftovers: 'kill',
      });
    try {
      const zip = join(path, 'bundle.zip');
      await pipeline(await receiveBundle(spec, signal), createWriteStream(zip, { flags: 'wx', mode: 0o600 }), {
        signal,
      });
      await unpack(zip, app, options.limits, signal);
      await rm(zip);
      const { nodePath, environment, cache } = options;
      await toolchain.install({ folder: app, image: path, run, nodePath, environment, cache, home });
      await rm(home, { recursive: true, force: true });
      await log.close();
      const record = {
        image: spec.image,
        runtime: spec.manifest.runtime,
        builtAt: new Date(clock.now()).toISOString(),
      };
      await syncAll(path, run);
      signal.throwIfAborted();
      await writeFileAtomic(join(path, RECORD), `${JSON.stringify(record)}\n`);
      await syncFolder(folder);
    } catch (error) {
      await log.close();
      // Nothing of the build runs any more: `run` returns only then.
      await discard(path);
      if (abandoned.aborted) throw abandoned.reason;
      throw buildError(late.signal.aborted ? late.signal.reason : error, log.lastLines());
    } finally {
      timer.cancel();
    }
  }

  const ensure = (spec: ImageSpec, caller: Waiting): Promise<void> =>
    shared.run(spec.image, caller, async (tell, abandoned) => {
      if (!has(spec.image)) await build(spec, tell, abandoned);
    });

  return {
    ensure,
    has,
    /** The image's folder; the app is in `app` below it. */
    folderOf: pathOf,
    async list(): Promise<string[]> {
      const names = await readdir(folder);
      return names
        .filter((name) => existsSync(join(folder, name, RECORD)) && !name.startsWith('.'))
        .map(imageOfFolder)
        .sort();
    },
    /** `inUse` is asked, and the image gone from its name, in one step. */
    async remove(image: string, inUse: () => boolean): Promise<void> {
      if (!has(image)) return;
      if (inUse()) throw new AvkError('AVK_IMAGE_IN_USE', `The image ${image} is used by a container.`);
      await discard(pathOf(image));
    },
    /** Ends all builds. */
    close: () => shared.end(new AvkError('AVK_CANCELLED', 'The platform is stopping.')),
  };
}

/** After a crash: ends what builds left running, then removes what they left lying. */
async function sweepInterrupted(folder: string, clock: Clock): Promise<void> {
  const prefix = `${BUILD_MARKER}=${folder}/`;
  const markers = new Set<string>();
  for (const { pid } of await listProcesses()) {
    for (const entry of readEnviron(pid) ?? []) if (entry.startsWith(prefix)) markers.add(entry);
  }
  for (const marker of markers) await endFamily({ leader: null, marker }, clock);
  for (const name of await readdir(folder)) {
    const complete = !name.startsWith('.') && existsSync(join(folder, name, RECORD));
    if (!complete) await rm(join(folder, name), { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * Thousands of small files, so one call for the whole file system; without it a power cut could leave an image whose
 * name is there and whose bytes are not. Not everywhere present, and not worth failing a build for.
 */
async function syncAll(
  folder: string,
  run: (argv: readonly [string, ...string[]], env: Record<string, string>) => Promise<number>,
): Promise<void> {
  try {
    await run(['sync', '-f', folder], { PATH: '/usr/bin:/bin' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException | null)?.code !== 'ENOENT') throw error;
  }
}

function buildError(error: unknown, lastLogLines: string[]): unknown {
  // npm and pip say it in words only.
  if (lastLogLines.some((line) => /\bENOSPC\b|No space left on device/.test(line))) {
    return new AvkError('AVK_DISK_FULL', 'The disk became full while the app was built.', {
      cause: error,
      lastLogLines,
    });
  }
  if (error instanceof AvkError) {
    if (error.code !== 'AVK_BUILD_FAILED') return error;
    return new AvkError(error.code, error.message, { cause: error.cause, lastLogLines });
  }
  const disk = diskError(error);
  if (disk !== error) return disk;
  return new AvkError('AVK_BUILD_FAILED', `The app could not be built: ${messageOf(error)}.`, {
    cause: error,
    lastLogLines,
  });
}
