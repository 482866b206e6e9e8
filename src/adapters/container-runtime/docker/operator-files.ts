import { randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { AvkError, messageOf } from '../../../domain/errors.ts';
import { namePattern } from '../../../domain/names.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { CommandResult, Host } from '../../../ports/host.ts';
import { createLocks } from '../locks.ts';
import type { BuildLimits } from './build-limits.ts';
import type { Machine } from './containers.ts';
import type { BuildContext } from './context.ts';
import { dockerTag } from './image-names.ts';
import { LOOK, lookOf, newestOf, outdated } from './operator-compare.ts';
import { environmentFiles, linesFile, type OperatorFile, type Replica, scripts } from './operator-scripts.ts';

export interface OperatorFilesDeps {
  host: Host;
  clock: Clock;
  servicePath: string;
  buildArguments: Record<string, string>;
  /** All replicas of ours on the machine, running or not. */
  replicas: () => Promise<Replica[]>;
  /** What a replica is told; null when it is gone. */
  told: (replica: Replica) => Promise<Record<string, string> | null>;
  machine: () => Promise<Machine>;
  buildLimits: () => Promise<BuildLimits>;
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

/** What uploads left that were broken off; those under way end long before that. */
const TIDY = `[ ! -d "$1" ] || find "$1" -maxdepth 1 -name 'incoming-*' -mmin +120 -exec rm -rf {} +`;

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

  async function script(text: string, ...args: string[]): Promise<CommandResult> {
    const result = await step((signal) => host.run(['sh', '-c', text, 'sh', ...args], { signal }));
    if ([0, NOT_OURS, NO_SOURCES].includes(result.exitCode)) return result;
    throw new Error(result.stderr.trim() || `the machine's shell ended with ${result.exitCode}`);
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

  /** Not at once, and once for changes that come together. */
  function soon(key: string, what: string, fn: () => Promise<void>): void {
    const mine = Symbol(key);
    waiting.set(key, mine);
    void locked.run(key, async () => {
      await pause();
      // Another change came before this one's turn, and will be written then.
      if (waiting.get(key) !== mine) return;
      waiting.delete(key);
      await tried(what, fn);
    });
  }

  async function toldTo(replicas: readonly Replica[]): Promise<Record<string, string>> {
    for (const replica of replicas) {
      const env = await deps.told(replica);
      if (env) return env;
    }
    throw new Error('its replicas went away meanwhile');
  }

  async function scriptsOf(instance: string, replicas: readonly Replica[]): Promise<OperatorFile[]> {
    const { buildArguments } = deps;
    const image = replicas[0]?.container.image ?? '';
    const [machine, limits] = await Promise.all([deps.machine(), deps.buildLimits()]);
    return scripts({ instance, image, replicas, machine, buildArguments, buildLimits: limits });
  }

  async function compare(): Promise<void> {
    const wanted = new Map<string, string>();
    for (const [instance, replicas] of newestOf(await deps.replicas())) {
      const image = replicas[0]?.container.image ?? '';
      wanted.set(instance, lookOf(instance, image, await scriptsOf(instance, replicas)));
    }
    await script(TIDY, posix.join(servicePath, MARK));
    const { stdout: looked } = await script(LOOK, servicePath, MARK);
    for (const instance of outdated(looked, wanted)) changed(instance);
  }

  function changed(instance: string): void {
    // It becomes a path.
    if (!namePattern.safeParse(instance).success) return;
    soon(instance, `the files of ${instance} could not be written`, () => write(instance));
  }

  async function write(instance: string): Promise<void> {
    const folder = folderOf(instance);
    const replicas = newestOf(await deps.replicas()).get(instance);
    if (!replicas) {
      await script(REMOVE, folder);
      return;
    }
    const image = replicas[0]?.container.image ?? '';
    // Before anything is touched: scripts are of no use without them.
    const settings = environmentFiles(instance, await toldTo(replicas));
    await known.get(image);
    const outdatedLines = settings.length === 1 ? posix.join(folder, linesFile(instance)) : '';
    const { exitCode } = await script(LAY_OUT, folder, sourcesOf(image), image, outdatedLines);
    if (exitCode === NOT_OURS) {
      log(`${folder} on ${host.name} is not the platform's, so the files of ${instance} are not written there.`);
      return;
    }
    if (exitCode === NO_SOURCES) log(`the sources of ${image} are not on ${host.name}; ${folder} is without them.`);
    for (const { name, text, mode } of [...settings, ...(await scriptsOf(instance, replicas))]) {
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
        if ((await looking).exitCode === 0) return true;
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

    /** Something of the instance changed on the machine. */
    changed,

    /** An earlier platform may have ended before it had written everything, and the machine may have lost some of it. */
    check(): void {
      soon('', 'the files of apps could not be looked at', compare);
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
