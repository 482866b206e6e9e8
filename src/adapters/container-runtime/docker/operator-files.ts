import { randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { AvkError, messageOf } from '../../../domain/errors.ts';
import { namePattern } from '../../../domain/names.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Host } from '../../../ports/host.ts';
import { createLocks } from '../locks.ts';
import type { Machine } from './containers.ts';
import type { BuildContext } from './context.ts';
import { dockerTag } from './image-names.ts';
import { environmentFiles, linesFile, type Replica, scripts } from './operator-scripts.ts';

export interface OperatorFilesDeps {
  host: Host;
  clock: Clock;
  servicePath: string;
  buildArguments: Record<string, string>;
  /** All replicas of ours on the machine, running or not. */
  replicas: () => Promise<Replica[]>;
  machine: () => Promise<Machine>;
  log: (message: string) => void;
}

/** One file of a bundle in pieces, so that it is never whole in memory. */
const PART_BYTES = 4 * 1024 * 1024;
const STEP_MS = 60_000;
const PAUSE_MS = 1_000;
const CLOSE_MS = 5_000;
/** Waits before it is tried again. */
const RETRY_MS = [2_000, 10_000];
const MARK = '.avishkar';
/** Exit codes of the scripts below. */
const NOT_OURS = 73;
const NO_SOURCES = 66;

/** Arguments: folder of the parts, target. */
const UNPACK = `set -e
umask 022
trap 'rm -rf "$1" "$2.new"' EXIT
rm -rf "$2.new"
mkdir -p "$2.new"
cat "$1"/* | tar -xzf - --no-same-owner -C "$2.new"
rm -rf "$2"
mv "$2.new" "$2"`;

/** Arguments: the instance's folder, the sources of its image, the image, a file that may be out of date. Links cost no space. */
const LAY_OUT = `set -e
umask 022
if [ -e "$1" ] && [ ! -e "$1/${MARK}" ]; then exit ${NOT_OURS}; fi
mkdir -p "$1"
[ -e "$1/${MARK}" ] || : > "$1/${MARK}"
rm -f -- "$4"
if [ "$(cat "$1/${MARK}")" = "$3" ]; then exit 0; fi
if [ ! -d "$2" ]; then exit ${NO_SOURCES}; fi
rm -rf "$1/app" "$1/avishkar" "$1/Dockerfile"
cp -al "$2/." "$1/" 2> /dev/null || cp -a "$2/." "$1/"
printf '*\\n!app\\n!avishkar\\n!Dockerfile\\n' > "$1/.dockerignore"
printf %s "$3" > "$1/${MARK}"`;

const REMOVE = `[ ! -e "$1/${MARK}" ] || rm -rf "$1"`;

/**
 * Files on the machine for people: `<servicePath>/<instance>/` with the sources, the Dockerfile, scripts that start and
 * end its replicas there, and what these are told. Written after what they describe has happened, and never waited for:
 * an app must not start later for it, nor fail.
 */
export function createOperatorFiles(deps: OperatorFilesDeps) {
  const { host, clock, servicePath, log } = deps;
  const locked = createLocks();
  const hurry = new AbortController();
  const closing = new AbortController();
  /** Images whose sources are there, or on their way. */
  const known = new Map<string, Promise<void>>();
  /** What the replicas of an instance's newest generation are told; unknown when they were started by an earlier platform. */
  const told = new Map<string, { generation: number; env: Record<string, string> }>();
  const waiting = new Map<string, symbol>();

  const sourcesOf = (image: string): string =>
    posix.join(servicePath, MARK, 'images', dockerTag(image).replace(':', '@'));
  const folderOf = (instance: string): string => posix.join(servicePath, instance);

  async function step<T>(fn: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const late = new AbortController();
    const timer = clock.after(STEP_MS, () => {
      late.abort(new AvkError('AVK_DEADLINE', `${host.name} took longer than ${STEP_MS / 1000} s.`));
    });
    try {
      return await fn(AbortSignal.any([late.signal, closing.signal]));
    } finally {
      timer.cancel();
    }
  }

  async function script(text: string, ...args: string[]): Promise<number> {
    const { exitCode, stderr } = await step((signal) => host.run(['sh', '-c', text, 'sh', ...args], { signal }));
    if (exitCode === 0 || exitCode === NOT_OURS || exitCode === NO_SOURCES) return exitCode;
    throw new Error(stderr.trim() || `the machine's shell ended with ${exitCode}`);
  }

  /** Lets what is waited for go first, and changes that come together be written together. */
  async function pause(): Promise<void> {
    await clock.sleep(PAUSE_MS, hurry.signal).catch(() => undefined);
  }

  /** Never fails; what went wrong is told to the log. */
  async function tried(what: string, fn: () => Promise<void>): Promise<boolean> {
    for (const wait of [...RETRY_MS, null]) {
      try {
        await fn();
        return true;
      } catch (error) {
        if (closing.signal.aborted) return false;
        if (wait === null) log(`${what} on ${host.name}: ${messageOf(error)}`);
        else await clock.sleep(wait, closing.signal).catch(() => undefined);
      }
    }
    return false;
  }

  async function upload(image: string, context: BuildContext): Promise<void> {
    const incoming = posix.join(servicePath, MARK, `incoming-${randomUUID()}`);
    let number = 0;
    const put = async (data: Buffer): Promise<void> => {
      number += 1;
      const path = posix.join(incoming, String(number).padStart(6, '0'));
      await step((signal) => host.putFile(path, data, { signal, mode: 0o600 }));
    };
    try {
      await pipeline(context.sources(), createGzip({ level: 1 }), (pieces) => inParts(pieces, put), {
        signal: closing.signal,
      });
      await script(UNPACK, incoming, sourcesOf(image));
    } catch (error) {
      await script('rm -rf "$1"', incoming).catch(() => undefined);
      throw error;
    }
  }

  async function write(instance: string): Promise<void> {
    const folder = folderOf(instance);
    const all = (await deps.replicas()).filter(({ container }) => container.instance === instance);
    if (all.length === 0) {
      told.delete(instance);
      await script(REMOVE, folder);
      return;
    }
    const newest = Math.max(...all.map(({ container }) => container.generation));
    const replicas = all
      .filter(({ container }) => container.generation === newest)
      .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
    const image = replicas[0]?.container.image ?? '';
    await known.get(image);
    const environment = told.get(instance);
    // Of replicas that an earlier platform started it is not known what they are told; what it wrote stays.
    const settings = environment?.generation === newest ? environmentFiles(instance, environment.env) : null;
    const outdated = settings?.length === 1 ? posix.join(folder, linesFile(instance)) : '';
    const result = await script(LAY_OUT, folder, sourcesOf(image), image, outdated);
    if (result === NOT_OURS) {
      log(`${folder} on ${host.name} is not the platform's, so the files of ${instance} are not written there.`);
      return;
    }
    if (result === NO_SOURCES) log(`the sources of ${image} are not on ${host.name}; ${folder} is without them.`);
    const { buildArguments } = deps;
    const rendered = scripts({ instance, image, replicas, machine: await deps.machine(), buildArguments });
    for (const { name, text, mode } of [...(settings ?? []), ...rendered]) {
      await step((signal) => host.putFile(posix.join(folder, name), text, { signal, mode }));
    }
  }

  return {
    /** True when the image's sources are there or on their way. */
    async hasSources(image: string): Promise<boolean> {
      if (known.has(image)) return true;
      const looking = script(`[ -d "$1" ] || exit ${NO_SOURCES}`, sourcesOf(image));
      // For others that ask meanwhile it is on its way.
      known.set(
        image,
        looking.then(
          () => undefined,
          () => undefined,
        ),
      );
      try {
        if ((await looking) === 0) return true;
      } catch (error) {
        known.delete(image);
        throw error;
      }
      known.delete(image);
      return false;
    },

    /** Takes the context over, and closes it. */
    keepSources(image: string, context: BuildContext): void {
      const done = locked
        .run(image, async () => {
          await pause();
          return tried(`the sources of ${image} could not be written`, () => upload(image, context));
        })
        .then((written) => {
          if (!written && known.get(image) === done) known.delete(image);
        })
        .finally(() => context.close());
      known.set(image, done);
    },

    dropSources(image: string): void {
      known.delete(image);
      void locked.run(image, () =>
        tried(`the sources of ${image} could not be removed`, async () => {
          await script('rm -rf "$1"', sourcesOf(image));
        }),
      );
    },

    /** Something of the instance changed on the machine. `env`: what a replica that was started is told. */
    changed(instance: string, started?: { generation: number; env: Record<string, string> }): void {
      // It becomes a path.
      if (!namePattern.safeParse(instance).success) return;
      const before = told.get(instance);
      if (started && (!before || before.generation <= started.generation)) told.set(instance, started);
      const mine = Symbol(instance);
      waiting.set(instance, mine);
      void locked.run(instance, async () => {
        await pause();
        // Another change came before this one's turn, and will be written then.
        if (waiting.get(instance) !== mine) return;
        waiting.delete(instance);
        await tried(`the files of ${instance} could not be written`, () => write(instance));
      });
    },

    /** Writes what is to be written, if that does not take long. */
    async close(): Promise<void> {
      hurry.abort();
      const timer = clock.after(CLOSE_MS, () => closing.abort());
      await Promise.all(known.values());
      await locked.idle();
      timer.cancel();
      closing.abort();
    },
  };
}

async function inParts(pieces: AsyncIterable<Buffer>, put: (part: Buffer) => Promise<void>): Promise<void> {
  let held: Buffer[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    held.push(piece);
    bytes += piece.length;
    if (bytes < PART_BYTES) continue;
    await put(Buffer.concat(held));
    held = [];
    bytes = 0;
  }
  if (bytes > 0) await put(Buffer.concat(held));
}

export type OperatorFiles = ReturnType<typeof createOperatorFiles>;
