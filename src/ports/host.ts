import type { Duplex } from 'node:stream';

/** What one machine looked like at one moment, read on that machine. */
export interface HostSample {
  /** Wall clock of the reader, milliseconds since the Unix epoch. */
  at: number;
  /** Share of all cores in use since the sample before, 0-100. */
  cpuPercent: number;
  /** Memory not available to a new process, 0-100. */
  memoryPercent: number;
  /** Of the file system that holds the apps, 0-100. */
  diskPercent: number;
  cores: number;
  memoryBytes: number;
  replicas: ReplicaSample[];
}

/** What one replica used since the sample before. Present only while it runs. */
export interface ReplicaSample {
  /** The replica's id. */
  id: string;
  /** Share of its own limit (`resources.cpus`), 0-100 and more when it may burst. */
  cpuPercent: number;
  /** Share of its own limit (`resources.memoryMb`), 0-100 and more. */
  memoryPercent: number;
  memoryBytes: number;
}

export interface CommandResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** What a connection leads to, as seen from the machine: a TCP port, or a Unix socket. */
export type ConnectTarget = { ip: string; port: number } | { socket: string };

/** A machine of the platform. Every call to another machine has a deadline of its own, whatever its signal does. */
export interface Host {
  /** As in vm-details.json. */
  readonly name: string;
  readonly address: string;
  /**
   * Runs a program without a shell. A non-zero exit is a result, not an error. Aborting kills the program and
   * whatever it started, and rejects with the signal's reason.
   *
   * @throws AvkError AVK_HOST_UNREACHABLE, AVK_COMMAND_NOT_FOUND
   */
  run(argv: readonly [string, ...string[]], options: { signal: AbortSignal; stdin?: string }): Promise<CommandResult>;
  /** Writes a file atomically, creating its folders. `mode` as in chmod. */
  putFile(path: string, data: Uint8Array | string, options: { signal: AbortSignal; mode?: number }): Promise<void>;
  /** A sample every `everyMs` until the signal aborts. Ends with AVK_HOST_UNREACHABLE when the machine is lost. */
  probe(options: { everyMs: number; signal: AbortSignal }): AsyncIterable<HostSample>;
  /** True when nothing listens on that TCP port of the machine. */
  portFree(port: number): Promise<boolean>;
  /**
   * A connection that is made on the machine, e.g. to its Docker socket, or to an app beside it. The caller ends it.
   *
   * @throws AvkError AVK_HOST_UNREACHABLE when the machine is; the error of the connection as it is (ECONNREFUSED, ENOENT, …) otherwise
   */
  connect(target: ConnectTarget, options: { signal: AbortSignal }): Promise<Duplex>;
  /** Ends what is kept open to the machine. */
  close(): Promise<void>;
}
