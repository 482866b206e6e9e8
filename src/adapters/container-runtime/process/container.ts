import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { messageOf } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { ContainerInfo } from '../../../ports/container-runtime.ts';
import { endFamily } from '../../host/family.ts';
import { findMain, isAlive, REPLICA_MARKER, replicaMarker } from './identity.ts';
import { adopt, type Exit, type LaunchOptions, type Live, launch } from './live.ts';
import { LogFile } from './log-file.ts';
import { type ContainerRecord, type ExitRecord, readRecord, removeRecord, writeRecord } from './records.ts';
import type { Program } from './toolchain.ts';

export interface ContainerOptions {
  clock: Clock;
  /** A sentence for the platform's log. */
  log: (message: string) => void;
  /** Told when a container ended that nobody asked to end. */
  onExit: (container: Container) => void;
  /** Where its port answers. */
  address: string;
  /** Size at which an output file is cut. */
  maxLogBytes: number;
}

/** How often the end of an adopted process is looked for. */
const POLL_MS = 500;
/** How often the end of a process is looked for while it is being stopped. */
const STOP_POLL_MS = 25;

/** One container: its folder, and its process while it runs. Calls that start or remove it must not overlap. */
export class Container {
  record: ContainerRecord;
  readonly folder: string;
  readonly files: { stdout: LogFile; stderr: LogFile };
  /** No log can come any more. */
  removed = false;
  #live: Live | null = null;
  /** Resolves when nothing of the last run is left. */
  #finished: Promise<void> = Promise.resolve();
  #asked = false;
  #exit: ExitRecord | null = null;
  readonly #options: ContainerOptions;

  constructor(record: ContainerRecord, folder: string, options: ContainerOptions) {
    this.record = record;
    this.folder = folder;
    this.#options = options;
    const file = (name: string): LogFile =>
      new LogFile(join(folder, name), options.maxLogBytes, () => options.clock.now());
    this.files = { stdout: file('stdout.log'), stderr: file('stderr.log') };
  }

  /** Finds what an earlier platform left of it: its running process, or how it ended. */
  async recover(): Promise<void> {
    const { clock } = this.#options;
    const known = await readRecord(this.folder, 'process');
    this.#exit = await readRecord(this.folder, 'exit');
    const found = known && isAlive(known) ? known : await this.#findUnrecorded(known !== null);
    if (found) {
      await writeRecord(this.folder, 'process', found);
      this.#track(adopt(found, clock, POLL_MS));
      return;
    }
    // Its children may have outlived it, as they outlived us. By the marker alone: nobody knows since when its pid,
    // and so the number of its session, may be another's.
    await endFamily({ leader: null, marker: replicaMarker(this.record.id) }, clock);
    if (known) await this.#recordExit(known.pid, { exitCode: null, exitSignal: null });
  }

  /** Without process.json the platform may have died right after the start, and the process be running. */
  async #findUnrecorded(recorded: boolean) {
    return recorded || this.#exit ? null : await findMain(this.record.id);
  }

  get running(): boolean {
    return this.#live !== null;
  }

  /** The pid of the main process; null when it does not run. */
  get pid(): number | null {
    return this.#live?.identity.pid ?? null;
  }

  /** True while a stop is under way. */
  get stopping(): boolean {
    return this.#live !== null && this.#asked;
  }

  /** Starts its process; it must not run. */
  async start(record: ContainerRecord, program: Pick<LaunchOptions, 'argv' | 'cwd' | 'env'>): Promise<void> {
    await this.#finished;
    const { folder } = this;
    const home = join(folder, 'home');
    const tmp = join(folder, 'tmp');
    for (const path of [home, tmp]) await mkdir(path, { recursive: true, mode: 0o700 });
    this.record = record;
    await removeRecord(folder, 'process');
    await removeRecord(folder, 'exit');
    this.#exit = null;
    await writeRecord(folder, 'container', record);
    const live = await launch({
      ...program,
      env: { LANG: 'C.UTF-8', ...program.env, HOME: home, TMPDIR: tmp, [REPLICA_MARKER]: record.id },
      stdout: this.files.stdout.path,
      stderr: this.files.stderr.path,
    });
    this.#asked = false;
    this.#track(live);
    await writeRecord(folder, 'process', live.identity).catch((error: unknown) => {
      // It runs, and can be found by its marker.
      this.#options.log(`the process of ${record.name} could not be noted: ${messageOf(error)}`);
    });
    // It may have ended while it was noted.
    if (!this.#live) await removeRecord(folder, 'process');
  }

  /** Ends the process and all it started. Resolves when nothing of it is left. */
  async stop(graceMs: number): Promise<void> {
    const live = this.#live;
    if (live) {
      this.#asked = true;
      if (graceMs > 0 && live.signal('SIGTERM')) await this.#waitEnded(live, graceMs);
      // False when it is over, or another stop with less grace was faster.
      live.signal('SIGKILL');
      await this.#waitEnded(live, Number.POSITIVE_INFINITY);
    }
    await this.#finished;
  }

  /** Notes when output came, and keeps its files small. */
  async tend(): Promise<void> {
    for (const file of Object.values(this.files)) {
      file.observe();
      await file.rotateIfLarge();
    }
  }

  info(): ContainerInfo {
    const { id, name, instance, generation, image, hostPort } = this.record;
    const pid = this.#live?.identity.pid ?? this.#exit?.pid ?? 0;
    return {
      id,
      containerId: `process-${pid}`,
      name,
      instance,
      generation,
      image,
      hostPort,
      state: this.running ? 'running' : 'exited',
      exitCode: this.#exit?.exitCode ?? null,
      exitSignal: this.#exit?.exitSignal ?? null,
      address: { ip: this.#options.address, port: hostPort },
    };
  }

  #track(live: Live): void {
    this.#live = live;
    this.#finished = live.ended.then((exit) => this.#finish(live, exit));
  }

  async #finish(live: Live, exit: Exit): Promise<void> {
    const { clock, log } = this.#options;
    const { name, id } = this.record;
    try {
      const clean = await endFamily({ leader: live.identity, marker: replicaMarker(id) }, clock);
      if (!clean) log(`processes that ${name} started could not be ended`);
      if (existsSync(this.folder)) {
        await this.tend();
        await this.#recordExit(live.identity.pid, exit);
      }
    } catch (error) {
      this.#exit = { pid: live.identity.pid, ...exit };
      log(`the end of ${name} could not be noted: ${messageOf(error)}`);
    }
    this.#live = null;
    if (!this.#asked) this.#options.onExit(this);
  }

  async #recordExit(pid: number, exit: Exit): Promise<void> {
    this.#exit = { pid, ...exit };
    await writeRecord(this.folder, 'exit', this.#exit);
    await removeRecord(this.folder, 'process');
  }

  /** False when it did not end in time. */
  async #waitEnded(live: Live, ms: number): Promise<boolean> {
    const { clock } = this.#options;
    const end = clock.monotonic() + ms;
    let over = false;
    const ended = live.ended.then(() => {
      over = true;
    });
    while (!over) {
      const left = end - clock.monotonic();
      if (left <= 0) return false;
      await Promise.race([ended, clock.sleep(Math.min(STOP_POLL_MS, left))]);
      live.look();
    }
    return true;
  }
}

/** The environment of an app: what it is told, and where programs are. Nothing of the platform's own. */
export function appEnv(
  program: Pick<Program, 'env' | 'path'>,
  env: Record<string, string>,
  path: string,
): Record<string, string> {
  return { ...program.env, ...env, PATH: [...program.path, path].join(delimiter) };
}
