import type { Readable } from 'node:stream';
import type { HealthCheck, Manifest, Resources, Runtime } from '../domain/manifest.ts';

/** An app's bytes with its dependencies in place, on one machine. */
export interface ImageSpec {
  /** Deterministic name, e.g. `room-comfort:1.2.0-3f9a0c12`: the same content always has the same one. */
  image: string;
  manifest: Manifest;
  /** The uploaded zip. Called only when the image, or what is kept beside it for people, is not on the machine. */
  bundle: () => Promise<Readable>;
}

/** What a replica's container is, in full. */
export interface ContainerSpec {
  /** The replica's id: says whose it is, for ever. */
  id: string;
  /** `NAME_instance_N`, unique on the machine. */
  name: string;
  instance: string;
  generation: number;
  image: string;
  manifest: Manifest;
  /**
   * Everything the app is told but PORT, which the runtime adds: where the app is to listen. In no log and on no command
   * line; in no file either, but where an operator is to start the app by hand: there in one for the machine's user alone.
   */
  env: Record<string, string>;
  /** Port on the machine that leads to the app. */
  hostPort: number;
  resources: Resources;
}

export interface ContainerInfo {
  /** The replica's id. */
  id: string;
  /** The runtime's own name for it: a container id, or `process-<pid>`. */
  containerId: string;
  name: string;
  instance: string;
  generation: number;
  image: string;
  hostPort: number;
  state: 'running' | 'exited';
  /** Null while it runs, and when nobody was there to see it end. */
  exitCode: number | null;
  /** The signal that ended it, e.g. `SIGKILL`. */
  exitSignal: string | null;
  /** Where its port answers. */
  address: { ip: string; port: number };
}

export interface LogLine {
  /** RFC 3339, when the platform saw it. */
  ts: string;
  replica: string;
  stream: 'stdout' | 'stderr' | 'build';
  line: string;
}

export interface HealthResult {
  healthy: boolean;
  /** For a person: `health check got 301 at /up`, `nothing listens on port 20001`. */
  reason: string;
  /** True when the app could not be asked, e.g. as its machine does not answer: this says nothing of the app. */
  unknown?: boolean;
}

/**
 * Containers on one machine, or what stands for them. Every method can be called again with the same arguments;
 * the second call finds the work of the first, also when the caller died between the two.
 */
export interface ContainerRuntime {
  /** The kinds of apps that it can prepare and run. What it cannot is better refused before a machine is looked for. */
  readonly runtimes: readonly Runtime[];
  /**
   * Why containers cannot be managed on this machine now, for a person; null when they can, and while nothing is known
   * yet. Known without asking: at once when what manages them ends, within half a minute when it hangs. Slow is none.
   */
  trouble(): string | null;
  /**
   * Makes the image present. Returns at once when it is. Aborting ends the work on the machine too, and leaves no
   * half image. Two calls for one image share the work.
   *
   * @throws AvkError AVK_BUILD_FAILED with the last log lines, AVK_BAD_ZIP, AVK_RUNTIME_UNSUPPORTED, AVK_DISK_FULL
   */
  ensureImage(spec: ImageSpec, options: { signal: AbortSignal; log: (line: string) => void }): Promise<void>;
  listImages(): Promise<string[]>;
  /** Harmless when there is none; refused (AVK_IMAGE_IN_USE) while a container uses it. */
  removeImage(image: string): Promise<void>;
  /**
   * Starts the container, or adopts it when one of this id is there and runs. One of the same name but another id
   * is removed first. Does not wait for health.
   *
   * @throws AvkError AVK_IMAGE_MISSING, AVK_PORT_TAKEN, AVK_START_FAILED
   */
  start(spec: ContainerSpec, options: { signal: AbortSignal }): Promise<ContainerInfo>;
  /** SIGTERM, then SIGKILL to all it started once `graceSeconds` are over. Resolves when nothing of it is left. Harmless when it is gone. */
  stop(id: string, graceSeconds: number): Promise<void>;
  /** Stops it without grace if it runs, and removes it with its logs. Harmless when it is gone. */
  remove(id: string): Promise<void>;
  inspect(id: string): Promise<ContainerInfo | null>;
  /** All of ours on this machine, running or not. */
  list(): Promise<ContainerInfo[]>;
  /** Tells of containers of ours that ended by themselves. Returns the way to stop listening. */
  onExit(listener: (info: ContainerInfo) => void): () => void;
  /** The last `tail` lines, oldest first; with `follow` then those that come, until the signal aborts or the container is removed. */
  logs(id: string, options: { tail: number; follow: boolean; signal: AbortSignal }): AsyncIterable<LogLine>;
  /** One check of the app from where traffic will come from; `check` absent means that a TCP connect is enough. Never throws. */
  checkHealth(
    address: { ip: string; port: number },
    check: HealthCheck | null,
    timeoutMs: number,
  ): Promise<HealthResult>;
  /** Ends what this process keeps running. `stopContainers`: child processes end with the platform, containers do not. */
  close(): Promise<void>;
}
