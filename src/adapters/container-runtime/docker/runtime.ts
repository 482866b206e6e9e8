import { AvkError, messageOf } from '../../../domain/errors.ts';
import { RUNTIMES } from '../../../domain/manifest.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { ContainerInfo, ContainerRuntime, ContainerSpec } from '../../../ports/container-runtime.ts';
import type { Host } from '../../../ports/host.ts';
import { createHealthCheck } from '../health-check.ts';
import { createLocks } from '../locks.ts';
import type { ZipLimits } from '../zip-members.ts';
import { BUILD_MEMORY_MB, type BuildLimits, buildLimits } from './build-limits.ts';
import { createBody, infoOf, infoOfSummary, labelled, type Machine, readLabels } from './containers.ts';
import { createDiskGuard } from './disk.ts';
import { createdSchema, type DockerInfo, infoSchema } from './docker-answers.ts';
import { createDockerApi, hasStatus } from './docker-api.ts';
import { type BaseImages, buildArguments } from './dockerfile.ts';
import { readEnvironment } from './environment.ts';
import { createImages, type ImageSource } from './images.ts';
import { readLogs } from './logs.ts';
import { createOperatorFiles } from './operator-files.ts';
import type { Replica } from './operator-scripts.ts';
import { startFailure } from './start-failure.ts';
import { createWatch, type RunningContainer } from './watch.ts';

export interface DockerRuntimeOptions {
  /** The machine; replicas' ports are published on its address. */
  host: Host;
  /** Folder on the machine for what an operator needs there, e.g. `/home/avishkar/Services`. */
  servicePath: string;
  baseImages: BaseImages;
  clock: Clock;
  /** What went wrong without being anyone's error: a sentence for the platform's log. */
  log: (message: string) => void;
  /** The other machines, of which one may have an image already. May hold this one, too. */
  peers?: () => readonly ImageSource[];
  /** The platform's own environment, of which builds get what leads to a registry. Default process.env. */
  environment?: NodeJS.ProcessEnv;
  /** Default 10 minutes. */
  buildTimeoutMs?: number;
  /** Most that one build may have, of half of the machine's memory. Default 2048. */
  buildMemoryMb?: number;
  /** Of a zip. Default 10,000 entries and 256 MiB. */
  limits?: ZipLimits;
}

export interface DockerRuntime extends ContainerRuntime, ImageSource {
  /** What runs now, by container id, for the machine's probe. Kept up to date by itself. */
  running(): ReadonlyMap<string, RunningContainer>;
}

/** Longest that Docker may take to start or end a container, besides what was given to the app. */
const START_MS = 120_000;
const PING_MS = 3_000;

/** Containers of one machine's Docker, which is reached through its Host. Goes on without it when the platform ends. */
export function createDockerRuntime(options: DockerRuntimeOptions): DockerRuntime {
  const { host, clock, log } = options;
  const node = host.name;
  const api = createDockerApi({ host, clock });
  const locked = createLocks();
  const listeners = new Set<(info: ContainerInfo) => void>();
  let info: Promise<DockerInfo> | null = null;
  /** Starts under way, by replica id. */
  const starting = new Map<string, Promise<ContainerInfo>>();
  const closed = new AbortController();
  let closing: Promise<void> | null = null;

  function dockerInfo(): Promise<DockerInfo> {
    info ??= api.call('GET', '/info', infoSchema).catch((error: unknown) => {
      info = null;
      throw error;
    });
    return info;
  }

  const disk = createDiskGuard({ host, clock, log, folder: async () => (await dockerInfo()).DockerRootDir });
  const watch = createWatch({
    api,
    clock,
    node,
    address: host.address,
    log,
    onExit: (exited) => {
      for (const listener of listeners) listener(exited);
    },
    // A build may have been cut off by whatever interrupted us, and files for operators not been written.
    onWatching: () => {
      images.tidy();
      files.check();
    },
  });
  const args = buildArguments(options.environment ?? process.env);
  const files = createOperatorFiles({
    host,
    clock,
    servicePath: options.servicePath,
    buildArguments: args,
    replicas,
    told: ({ name }) => readEnvironment(api, name),
    machine: thisMachine,
    buildLimits: limitsOfBuilds,
    log,
  });
  const images = createImages({
    api,
    clock,
    node,
    disk,
    log,
    baseImages: options.baseImages,
    buildArguments: args,
    buildTimeoutMs: options.buildTimeoutMs ?? 10 * 60_000,
    buildLimits: limitsOfBuilds,
    limits: options.limits ?? { maxEntries: 10_000, maxBytes: 256 * 1024 * 1024 },
    peers: options.peers ?? (() => []),
    files,
  });
  const checkHealth = createHealthCheck({ connect: (target, o) => host.connect(target, o), machineSilent });

  async function machineSilent(): Promise<string | null> {
    try {
      await api.act('GET', '/_ping', { timeoutMs: PING_MS });
      return null;
    } catch (error) {
      return messageOf(error);
    }
  }

  async function thisMachine(): Promise<Machine> {
    return { name: node, address: host.address, cores: (await dockerInfo()).NCPU };
  }

  async function limitsOfBuilds(): Promise<BuildLimits> {
    const { NCPU: cores, MemTotal: memoryBytes } = await dockerInfo();
    return buildLimits({ cores, memoryBytes }, options.buildMemoryMb ?? BUILD_MEMORY_MB);
  }

  async function replicas(): Promise<Replica[]> {
    return (await watch.list()).flatMap((summary) => {
      const container = readLabels(summary.Labels);
      const name = infoOfSummary(summary, host.address)?.name;
      return container && name !== undefined ? [{ name, container }] : [];
    });
  }

  async function find(id: string): Promise<ContainerInfo | null> {
    for (const summary of await watch.list()) {
      const found = infoOfSummary(summary, host.address);
      if (found?.id === id) return found;
    }
    return null;
  }

  async function start(spec: ContainerSpec, signal: AbortSignal): Promise<ContainerInfo> {
    signal.throwIfAborted();
    refuseWhenClosing();
    const [machine, present] = await Promise.all([thisMachine(), watch.list(), disk.check()]);
    const wanted = labelled(spec, machine);
    let mine: string | null = null;
    for (const summary of present) {
      const found = infoOfSummary(summary, host.address);
      const its = readLabels(summary.Labels);
      if (found?.id === spec.id && found.name === spec.name) {
        if (found.state === 'running') {
          watch.noteRunning(found, summary.Labels);
          return found;
        }
        // Made from something else, it cannot become what is wanted.
        if (its?.hash === wanted.hash) mine = summary.Id;
        else await discard(summary.Id);
      } else if (found && (found.id === spec.id || found.name === spec.name)) await discard(summary.Id);
    }
    const free = host.portFree(spec.hostPort);
    free.catch(() => undefined);
    const containerId = mine ?? (await create(spec, machine, signal));
    try {
      if (!(await free)) throw portTaken(spec);
      await api.act('POST', `/containers/${containerId}/start`, { signal, timeoutMs: START_MS });
      const details = await watch.inspect(containerId);
      const started = details && infoOf(details, host.address);
      if (!details || !started)
        throw new AvkError('AVK_START_FAILED', `${spec.name} was removed from ${node} at once.`);
      watch.noteRunning({ ...started, state: 'running' }, details.Config.Labels);
      return started;
    } catch (error) {
      // Whatever became of it on the way, it is not to stay half made.
      if (mine === null) await discard(containerId).catch((failure) => log(messageOf(failure)));
      signal.throwIfAborted();
      throw startFailure(error, spec, node);
    }
  }

  function portTaken(spec: ContainerSpec): AvkError {
    const { hostPort, name } = spec;
    return new AvkError('AVK_PORT_TAKEN', `Port ${hostPort} is taken on ${node}, so ${name} cannot be started there.`);
  }

  async function create(spec: ContainerSpec, machine: Machine, signal: AbortSignal): Promise<string> {
    const body = createBody(spec, machine);
    for (let again = true; ; again = false) {
      try {
        const options = { query: { name: spec.name }, body, signal, timeoutMs: START_MS };
        return (await api.call('POST', '/containers/create', createdSchema, options)).Id;
      } catch (error) {
        signal.throwIfAborted();
        // One of that name: made by an earlier call whose answer was lost, or none of ours, which then stays.
        const other = again && hasStatus(error, 409) ? await watch.inspect(spec.name) : null;
        if (!other || !readLabels(other.Config.Labels)) throw startFailure(error, spec, node);
        await discard(other.Id);
      }
    }
  }

  async function discard(containerId: string): Promise<void> {
    await watch.ending(containerId, () => removeContainer(containerId));
  }

  async function removeContainer(containerId: string): Promise<void> {
    try {
      await api.act('DELETE', `/containers/${containerId}`, { query: { force: true, v: true }, timeoutMs: START_MS });
    } catch (error) {
      // Gone, or another call is removing it: then it is gone when that one is done.
      if (hasStatus(error, 409)) await removed(containerId);
      else if (!hasStatus(error, 404)) throw error;
    }
  }

  async function removed(containerId: string): Promise<void> {
    const until = clock.monotonic() + START_MS;
    while (await watch.inspect(containerId)) {
      if (clock.monotonic() > until)
        throw new AvkError('AVK_DEADLINE', `Docker on ${node} does not remove a container.`);
      await clock.sleep(100);
    }
  }

  function refuseWhenClosing(): void {
    if (closing) throw new AvkError('AVK_START_FAILED', 'The platform is stopping.', { retryable: true });
  }

  async function close(): Promise<void> {
    closed.abort();
    await images.close();
    await locked.idle();
    await files.close();
    await watch.close();
    listeners.clear();
    api.close();
  }

  return {
    node,
    runtimes: RUNTIMES,
    trouble: () => watch.trouble(),
    running: () => watch.running,
    exportImage: (image, { signal }) => images.export(image, signal),

    async ensureImage(spec, caller) {
      refuseWhenClosing();
      await images.ensure(spec, caller);
    },
    listImages: () => images.list(),
    removeImage: (image) => images.remove(image),

    async start(spec, { signal }) {
      const work = locked.run(spec.name, () => start(spec, signal));
      starting.set(spec.id, work);
      try {
        const started = await work;
        files.changed(spec.instance);
        return started;
      } finally {
        if (starting.get(spec.id) === work) starting.delete(spec.id);
      }
    },

    async stop(id, graceSeconds) {
      await starting.get(id)?.catch(() => undefined);
      const found = await find(id);
      if (!found || found.state === 'exited') return;
      const { containerId } = found;
      // Docker knows whole seconds.
      const t = Math.ceil(graceSeconds);
      await watch.ending(containerId, async () => {
        try {
          const timeoutMs = t * 1000 + START_MS;
          await api.act('POST', `/containers/${containerId}/stop`, { query: { t }, timeoutMs, slow: true });
        } catch (error) {
          if (!hasStatus(error, 304, 404)) throw error;
        }
      });
    },

    async remove(id) {
      await starting.get(id)?.catch(() => undefined);
      const found = await find(id);
      if (!found) return;
      await locked.run(found.name, () => discard(found.containerId));
      files.changed(found.instance);
    },

    async inspect(id) {
      return find(id);
    },

    async list() {
      return (await watch.list()).flatMap((summary) => infoOfSummary(summary, host.address) ?? []);
    },

    onExit(listener) {
      // A function of its own, as one may be registered twice.
      const entry = (exited: ContainerInfo): void => listener(exited);
      listeners.add(entry);
      return () => listeners.delete(entry);
    },

    async *logs(id, { tail, follow, signal }) {
      const found = await find(id);
      if (!found) return;
      const { containerId, name: replica } = found;
      const until = AbortSignal.any([signal, closed.signal]);
      yield* readLogs({ api, clock, containerId, replica, tail, follow, signal: until, inspect: watch.inspect });
    },

    checkHealth,

    close() {
      closing ??= Promise.resolve().then(close);
      return closing;
    },
  };
}
