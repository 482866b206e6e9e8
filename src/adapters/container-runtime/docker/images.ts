import type { Readable } from 'node:stream';
import { AvkError, messageOf } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { ImageSpec } from '../../../ports/container-runtime.ts';
import { createSharedWork, type Waiting } from '../shared-work.ts';
import type { ZipLimits } from '../zip-members.ts';
import { buildImage } from './build.ts';
import type { BuildLimits } from './build-limits.ts';
import { createBuildOutput } from './build-output.ts';
import { type BuildContext, openContext } from './context.ts';
import type { createDiskGuard } from './disk.ts';
import { imageSchema, imageSummarySchema } from './docker-answers.ts';
import { type DockerApi, hasStatus } from './docker-api.ts';
import type { BaseImages } from './dockerfile.ts';
import { dockerTag } from './image-names.ts';
import { IMAGE_LABEL } from './labels.ts';
import { removeLeftovers } from './leftovers.ts';
import { loadImage } from './move.ts';
import type { OperatorFiles } from './operator-files.ts';

/** Another machine that may have an image already. */
export interface ImageSource {
  readonly node: string;
  /** The image as Docker saves it; null when it is not there. */
  exportImage(image: string, options: { signal: AbortSignal }): Promise<Readable | null>;
}

export interface ImagesDeps {
  api: DockerApi;
  clock: Clock;
  node: string;
  baseImages: BaseImages;
  buildArguments: Record<string, string>;
  buildTimeoutMs: number;
  buildLimits: () => Promise<BuildLimits>;
  limits: ZipLimits;
  disk: ReturnType<typeof createDiskGuard>;
  peers: () => readonly ImageSource[];
  /** Where the sources are kept for people. */
  files: Pick<OperatorFiles, 'keepSources' | 'dropSources' | 'hasSources'>;
  log: (message: string) => void;
}

/** The images of one machine: built there once, or brought from another one that has them. */
export function createImages(deps: ImagesDeps) {
  const { api, clock, node, disk, files, log } = deps;
  const shared = createSharedWork();
  let building = 0;
  const closing = new AbortController();
  /** Removals, one after the other: Docker trips over two that meet. Builds wait for those that are under way. */
  let removing: Promise<unknown> = Promise.resolve();
  /** Images that builds made on their way, of all that ended since it was last tidied. */
  const made = new Set<string>();

  async function has(image: string): Promise<boolean> {
    try {
      const { Config } = await api.call('GET', `/images/${dockerTag(image)}/json`, imageSchema);
      return Config?.Labels[IMAGE_LABEL] === image;
    } catch (error) {
      if (hasStatus(error, 404)) return false;
      throw error;
    }
  }

  async function make(spec: ImageSpec, tell: (line: string) => void, abandoned: AbortSignal): Promise<void> {
    if (await has(spec.image)) {
      void restoreSources(spec);
      return;
    }
    await disk.check();
    const late = new AbortController();
    const signal = AbortSignal.any([abandoned, late.signal]);
    const timer = clock.after(deps.buildTimeoutMs, () => {
      late.abort(new AvkError('AVK_BUILD_FAILED', `The build took longer than ${deps.buildTimeoutMs / 1000} s.`));
    });
    const output = createBuildOutput(tell);
    let context: BuildContext | null = null;
    try {
      const moved = await move(spec.image, tell, signal);
      context = await sourcesOf(spec, signal, moved);
      if (!moved && context) await build(spec, context, output, signal);
    } catch (error) {
      context?.close();
      if (abandoned.aborted) throw abandoned.reason;
      if (!late.signal.aborted) throw error;
      throw new AvkError('AVK_BUILD_FAILED', messageOf(late.signal.reason), { lastLogLines: output.lastLines() });
    } finally {
      timer.cancel();
      disk.forget();
    }
    if (context) files.keepSources(spec.image, context);
  }

  /** An earlier platform may have ended before it had written them. */
  async function restoreSources(spec: ImageSpec): Promise<void> {
    try {
      if (await files.hasSources(spec.image)) return;
      const context = await sourcesOf(spec, closing.signal, true);
      if (context) files.keepSources(spec.image, context);
    } catch (error) {
      if (!closing.signal.aborted) log(`the sources of ${spec.image} are not on ${node}: ${messageOf(error)}`);
    }
  }

  /** An image that is there already is not worth less because its sources cannot be had. */
  async function sourcesOf(spec: ImageSpec, signal: AbortSignal, present: boolean): Promise<BuildContext | null> {
    const { baseImages, limits } = deps;
    try {
      return await openContext(spec, { baseImages, limits, now: new Date(clock.now()), signal });
    } catch (error) {
      if (!present || signal.aborted) throw error;
      log(`the sources of ${spec.image} could not be brought to ${node}: ${messageOf(error)}`);
      return null;
    }
  }

  async function build(
    spec: ImageSpec,
    context: BuildContext,
    output: ReturnType<typeof createBuildOutput>,
    signal: AbortSignal,
  ): Promise<void> {
    building += 1;
    try {
      await removing;
      signal.throwIfAborted();
      const { image } = spec;
      const args = deps.buildArguments;
      const limits = await deps.buildLimits();
      await buildImage({ api, clock, node }, { image, tag: dockerTag(image), context, args, limits, signal, output });
    } finally {
      building -= 1;
      for (const id of output.made()) made.add(id);
      tidy();
    }
  }

  /** Clears away what builds left, unless one is under way; one that begins meanwhile waits. */
  function tidy(): void {
    if (building > 0) return;
    const ids = [...made];
    made.clear();
    inTurn(() => removeLeftovers(api, ids)).catch((error: unknown) => {
      if (!closing.signal.aborted) log(`what builds left on ${node} could not be removed: ${messageOf(error)}`);
    });
  }

  function inTurn(fn: () => Promise<void>): Promise<void> {
    const turn = removing.then(fn);
    removing = turn.catch(() => undefined);
    return turn;
  }

  /** True when another machine had it and it is here now. */
  async function move(image: string, tell: (line: string) => void, signal: AbortSignal): Promise<boolean> {
    for (const peer of deps.peers()) {
      if (peer.node === node) continue;
      try {
        const from = await peer.exportImage(image, { signal });
        if (!from) continue;
        tell(`Bringing the image from ${peer.node}`);
        await loadImage({ api, clock, node }, from, signal);
        if (await has(image)) return true;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof AvkError && error.code === 'AVK_DISK_FULL') throw error;
        log(`the image ${image} could not be brought from ${peer.node} to ${node}: ${messageOf(error)}`);
      }
    }
    return false;
  }

  async function removeNamed(image: string): Promise<void> {
    try {
      await api.act('DELETE', `/images/${dockerTag(image)}`);
    } catch (error) {
      if (hasStatus(error, 409)) {
        const why = `The image ${image} is used by a container on ${node}.`;
        throw new AvkError('AVK_IMAGE_IN_USE', why, { cause: error });
      }
      if (!hasStatus(error, 404)) throw error;
    }
  }

  return {
    has,
    tidy,
    ensure: (spec: ImageSpec, caller: Waiting): Promise<void> =>
      shared.run(spec.image, caller, (tell, abandoned) => make(spec, tell, abandoned)),

    async export(image: string, signal: AbortSignal): Promise<Readable | null> {
      if (!(await has(image))) return null;
      return api.stream('GET', `/images/${dockerTag(image)}/get`, { signal });
    },

    async list(): Promise<string[]> {
      const query = { filters: JSON.stringify({ label: [IMAGE_LABEL] }) };
      const found = await api.call('GET', '/images/json', imageSummarySchema.array(), { query });
      const names = found.flatMap(({ RepoTags, Labels }) => {
        const image = Labels[IMAGE_LABEL];
        // An image that was built on one of ours has its labels, too, but another name.
        return image !== undefined && RepoTags.includes(dockerTag(image)) ? [image] : [];
      });
      return names.sort();
    },

    async remove(image: string): Promise<void> {
      if (!(await has(image))) return;
      await inTurn(() => removeNamed(image));
      files.dropSources(image);
      disk.forget();
    },

    /** Ends all builds. */
    async close(): Promise<void> {
      closing.abort();
      await shared.end(new AvkError('AVK_CANCELLED', 'The platform is stopping.'));
      await removing;
    },
  };
}
