import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AvkError, messageOf } from '../../../domain/errors.ts';
import type { Clock, Timer } from '../../../ports/clock.ts';
import type { ContainerInfo, ContainerRuntime, ContainerSpec } from '../../../ports/container-runtime.ts';
import { openConnection } from '../../host/open-connection.ts';
import { portFree } from '../../host/port-free.ts';
import type { ReplicaUsage } from '../../host/shares.ts';
import { createHealthCheck } from '../health-check.ts';
import { createLocks } from '../locks.ts';
import { appEnv, Container } from './container.ts';
import { createImages } from './images.ts';
import { readLogs } from './log-reader.ts';
import { containerFolder } from './names.ts';
import { type ContainerRecord, readRecord } from './records.ts';
import { SUPPORTED_RUNTIMES, TOOLCHAINS } from './toolchains.ts';
import { sessionUsage } from './usage.ts';

export interface ProcessRuntimeOptions {
  /** A folder for this runtime alone; made when missing. */
  home: string;
  /** The machine's name, for messages. */
  node: string;
  clock: Clock;
  /** What went wrong without being anyone's error: a sentence for the platform's log. */
  log: (message: string) => void;
  /** Where apps answer. Default 127.0.0.1. */
  address?: string;
  /** The Node that runs apps. Default: the one that runs this. */
  nodePath?: string;
  /** The platform's own environment, of which builds get what npm and pip need and apps the PATH. Default process.env. */
  environment?: NodeJS.ProcessEnv;
  /** Default 10 minutes. */
  buildTimeoutMs?: number;
  /** Size at which one output file of an app is cut, in bytes. Default 5 MiB; half as much is kept besides. */
  maxLogBytes?: number;
  /** Longest wait for an app to end when the platform does, in milliseconds. Default 10,000. */
  maxCloseGraceMs?: number;
  /** Of a zip. Default 10,000. */
  maxEntries?: number;
  /** Of a zip, unpacked. Default 256 MiB. */
  maxUnpackedBytes?: number;
}

export interface ProcessRuntime extends ContainerRuntime {
  /** What the running containers use, for the probe of this machine. */
  usage(): Promise<ReplicaUsage[]>;
}

/** How often output is looked at: the precision of the times of log lines. */
const TEND_MS = 250;
const TRASH = '.trash-';

/**
 * Containers as processes of this machine, for one user who trusts the apps. They share the machine's files and
 * network with the platform, and `resources` are measured, not enforced. Needs /proc, hence Linux.
 */
export async function createProcessRuntime(options: ProcessRuntimeOptions): Promise<ProcessRuntime> {
  const { home, node, clock, log } = options;
  const nodePath = options.nodePath ?? process.execPath;
  const environment = options.environment ?? process.env;
  const path = environment.PATH ?? '/usr/local/bin:/usr/bin:/bin';
  const folder = join(home, 'containers');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const cache = join(home, 'cache');
  const images = await createImages({
    folder: join(home, 'images'),
    cache,
    nodePath,
    environment,
    buildTimeoutMs: options.buildTimeoutMs ?? 10 * 60_000,
    limits: { maxEntries: options.maxEntries ?? 10_000, maxBytes: options.maxUnpackedBytes ?? 256 * 1024 * 1024 },
    clock,
  });

  /** By replica id. */
  const containers = new Map<string, Container>();
  const listeners = new Set<(info: ContainerInfo) => void>();
  let closing: Promise<void> | null = null;
  const containerOptions = {
    clock,
    log,
    address: options.address ?? '127.0.0.1',
    maxLogBytes: options.maxLogBytes ?? 5 * 1024 * 1024,
    onExit: (container: Container): void => {
      const info = container.info();
      for (const listener of listeners) listener(info);
    },
  };
  const locked = createLocks();
  await recover();
  let tending: Timer = clock.after(TEND_MS, tend, { background: true });

  async function recover(): Promise<void> {
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      const record = name.startsWith(TRASH) ? null : await readRecord(path, 'container');
      if (!record) {
        // Its process is started only after its record is written, and ended before it is removed.
        await rm(path, { recursive: true, force: true, maxRetries: 3 });
        continue;
      }
      const container = new Container(record, path, containerOptions);
      await container.recover();
      containers.set(record.id, container);
    }
  }

  async function tend(): Promise<void> {
    for (const container of containers.values()) {
      if (!container.running) continue;
      try {
        await container.tend();
      } catch (error) {
        if (!container.removed) log(`the output of ${container.record.name} on ${node}: ${messageOf(error)}`);
      }
    }
    if (!closing) tending = clock.after(TEND_MS, tend, { background: true });
  }

  /** Under the lock of the container's name. */
  async function discard(container: Container): Promise<void> {
    await container.stop(0);
    container.removed = true;
    await Promise.all(Object.values(container.files).map((file) => file.saved()));
    const trash = join(folder, `${TRASH}${randomUUID()}`);
    // One step, so that no half of it is taken for a container later.
    if (existsSync(container.folder)) await rename(container.folder, trash);
    await rm(trash, { recursive: true, force: true, maxRetries: 3 });
    if (containers.get(container.record.id) === container) containers.delete(container.record.id);
  }

  async function start(spec: ContainerSpec, signal: AbortSignal): Promise<ContainerInfo> {
    signal.throwIfAborted();
    refuseWhenClosing();
    const path = join(folder, containerFolder(spec.name));
    for (const other of [...containers.values()]) {
      const sameName = other.record.name === spec.name;
      if (sameName !== (other.record.id === spec.id)) await discard(other);
    }
    const record = recordOf(spec, clock.now());
    const existing = containers.get(spec.id);
    if (existing?.stopping) await existing.stop(0);
    if (existing?.running) return existing.info();

    const container = existing ?? new Container(record, path, containerOptions);
    // From here on the image is in use: removing one looks at `containers` and takes it away in one step.
    containers.set(spec.id, container);
    try {
      const program = await prepare(spec);
      signal.throwIfAborted();
      refuseWhenClosing();
      await mkdir(path, { recursive: true, mode: 0o700 });
      await container.start(record, program);
      return container.info();
    } catch (error) {
      if (!existing) await discard(container);
      if (error instanceof AvkError || signal.aborted) throw error;
      throw new AvkError('AVK_START_FAILED', `${spec.name} could not be started on ${node}: ${messageOf(error)}.`, {
        cause: error,
      });
    }
  }

  async function prepare(spec: ContainerSpec) {
    const { image, manifest, hostPort, name } = spec;
    const toolchain = TOOLCHAINS[manifest.runtime];
    if (!images.has(image) || !toolchain) {
      throw new AvkError('AVK_IMAGE_MISSING', `The image ${image} is not on ${node}.`);
    }
    const folder = images.folderOf(image);
    const cwd = join(folder, 'app');
    if (!existsSync(join(cwd, manifest.entry))) {
      throw new AvkError('AVK_START_FAILED', `${name} has no file ${manifest.entry} to start with.`);
    }
    if (!(await portFree(hostPort))) {
      throw new AvkError('AVK_PORT_TAKEN', `Port ${hostPort} is taken on ${node}, so ${name} cannot be started there.`);
    }
    const { address } = containerOptions;
    const program = toolchain.program({ image: folder, manifest, nodePath, address, cache });
    return { argv: program.argv, cwd, env: appEnv(program, { ...spec.env, PORT: String(hostPort) }, path) };
  }

  function refuseWhenClosing(): void {
    if (closing) throw new AvkError('AVK_START_FAILED', 'The platform is stopping.', { retryable: true });
  }

  async function close(): Promise<void> {
    tending.cancel();
    await images.close();
    // A start under way ends first: it either saw that we close, or its process is stopped like all others.
    await locked.idle();
    const cap = options.maxCloseGraceMs ?? 10_000;
    await Promise.all(
      [...containers.values()].map(async (container) => {
        await container.stop(Math.min(container.record.stopSeconds * 1000, cap));
        await Promise.all(Object.values(container.files).map((file) => file.saved()));
      }),
    );
    listeners.clear();
  }

  return {
    runtimes: SUPPORTED_RUNTIMES,
    // There is nothing between it and the processes that could fail.
    trouble: () => null,

    async ensureImage(spec, { signal, log: tell }) {
      refuseWhenClosing();
      await images.ensure(spec, { signal, log: tell });
    },
    listImages: () => images.list(),
    async removeImage(image) {
      await images.remove(image, () => [...containers.values()].some((each) => each.record.image === image));
    },

    start: (spec, { signal }) => locked.run(spec.name, () => start(spec, signal)),

    async stop(id, graceSeconds) {
      const container = containers.get(id);
      if (!container) return;
      // A start under way comes first. Not under the lock, so that a stop with less grace need not wait for this one.
      await locked.run(container.record.name, async () => undefined);
      await container.stop(graceSeconds * 1000);
    },

    async remove(id) {
      const container = containers.get(id);
      if (!container) return;
      await container.stop(0);
      await locked.run(container.record.name, () => discard(container));
    },

    async inspect(id) {
      return containers.get(id)?.info() ?? null;
    },

    async list() {
      return [...containers.values()].map((container) => container.info());
    },

    onExit(listener) {
      // A function of its own, as one may be registered twice.
      const entry = (info: ContainerInfo): void => listener(info);
      listeners.add(entry);
      return () => listeners.delete(entry);
    },

    async *logs(id, { tail, follow, signal }) {
      const container = containers.get(id);
      if (!container) return;
      yield* readLogs({
        replica: container.record.name,
        files: container.files,
        tail,
        follow,
        signal,
        clock,
        running: () => container.running,
        over: () => container.removed || closing !== null,
      });
    },

    checkHealth: createHealthCheck({ connect: (target, { signal }) => openConnection(target, signal) }),

    async usage() {
      const running = [...containers.values()].flatMap(({ pid, record }) => (pid === null ? [] : [{ pid, record }]));
      const sums = await sessionUsage(running.map(({ pid }) => pid));
      return running.map(({ pid, record }) => ({
        id: record.id,
        cpuSeconds: sums.get(pid)?.cpuSeconds ?? 0,
        memoryBytes: sums.get(pid)?.memoryBytes ?? 0,
        ...record.resources,
      }));
    },

    close() {
      closing ??= Promise.resolve().then(close);
      return closing;
    },
  };
}

function recordOf(spec: ContainerSpec, now: number): ContainerRecord {
  const { id, name, instance, generation, image, hostPort, resources, manifest } = spec;
  const createdAt = new Date(now).toISOString();
  return { id, name, instance, generation, image, hostPort, resources, stopSeconds: manifest.stopSeconds, createdAt };
}
