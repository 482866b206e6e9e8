import { randomUUID } from 'node:crypto';
import { mkdir, readFile, statfs } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { AvkError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Host, HostSample } from '../../ports/host.ts';
import { runCommand } from './command.ts';
import { openConnection } from './open-connection.ts';
import { portFree } from './port-free.ts';
import { cpuTicks, memory, percent, type ReplicaUsage, replicaSample } from './shares.ts';
import { diskError, writeFileAtomic } from './write-file.ts';

export interface LocalHostOptions {
  name: string;
  address: string;
  /** A folder on the file system that holds the apps. */
  home: string;
  clock: Clock;
  /** What the replicas here use; of the container runtime on this machine. */
  usage: () => Promise<ReplicaUsage[]>;
}

/** A command that prints more than this is ended: its output is kept in memory. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** The first sample comes after this time at the latest: it needs two readings. */
const FIRST_SAMPLE_MS = 250;

/** This machine, without any network in between. */
export function createLocalHost(options: LocalHostOptions): Host {
  const { name, address, home, clock, usage } = options;
  return {
    name,
    address,
    portFree,

    async run(argv, { signal, stdin }) {
      const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
      let bytes = 0;
      const tooLong = new AbortController();
      try {
        const exitCode = await runCommand(argv, {
          env: commandEnv(),
          marker: `AVISHKAR_COMMAND=${randomUUID()}`,
          ...(stdin === undefined ? {} : { stdin }),
          signal: AbortSignal.any([signal, tooLong.signal]),
          clock,
          leftovers: 'wait',
          onOutput: (stream, chunk) => {
            bytes += chunk.length;
            if (bytes <= MAX_OUTPUT_BYTES) output[stream].push(chunk);
            else tooLong.abort(new AvkError('AVK_INTERNAL', `${argv[0]} printed more than 16 MiB on ${name}.`));
          },
        });
        return {
          exitCode,
          stdout: Buffer.concat(output.stdout).toString(),
          stderr: Buffer.concat(output.stderr).toString(),
        };
      } catch (error) {
        const code = (error as NodeJS.ErrnoException | null)?.code;
        if (code !== 'ENOENT' && code !== 'EACCES') throw error;
        throw new AvkError('AVK_COMMAND_NOT_FOUND', `The program ${argv[0]} cannot be run on ${name}.`, {
          cause: error,
        });
      }
    },

    async putFile(path, data, { signal, mode }) {
      signal.throwIfAborted();
      try {
        await mkdir(dirname(path), { recursive: true });
      } catch (error) {
        throw diskError(error);
      }
      await writeFileAtomic(path, data, { signal, ...(mode === undefined ? {} : { mode }) });
    },

    connect: (target, { signal }) => openConnection(target, signal),

    async close() {
      // Nothing is kept open.
    },

    async *probe({ everyMs, signal }) {
      let before = await read(clock, usage);
      let wait = Math.min(everyMs, FIRST_SAMPLE_MS);
      while (!signal.aborted) {
        try {
          await clock.sleep(wait, signal);
        } catch (error) {
          if (signal.aborted) return;
          throw error;
        }
        wait = everyMs;
        const now = await read(clock, usage);
        yield await sample(before, now, home);
        before = now;
      }
    },
  };
}

/** What programs of the machine get to see: nothing of the platform's own settings, which may hold passwords. */
function commandEnv(): Record<string, string> {
  const env: Record<string, string> = { LANG: 'C.UTF-8' };
  for (const key of ['PATH', 'HOME', 'USER', 'TMPDIR']) {
    const value = process.env[key];
    if (value !== undefined) env[key] = value;
  }
  return env;
}

interface Reading {
  /** Monotonic milliseconds. */
  at: number;
  busyTicks: number;
  totalTicks: number;
  replicas: Map<string, ReplicaUsage>;
}

async function read(clock: Clock, usage: LocalHostOptions['usage']): Promise<Reading> {
  const [text, replicas] = await Promise.all([readFile('/proc/stat', 'latin1'), usage()]);
  return { at: clock.monotonic(), ...cpuTicks(text), replicas: new Map(replicas.map((each) => [each.id, each])) };
}

async function sample(before: Reading, now: Reading, home: string): Promise<HostSample> {
  const [meminfo, disk] = await Promise.all([readFile('/proc/meminfo', 'latin1'), statfs(home)]);
  const { totalBytes, availableBytes } = memory(meminfo);
  const seconds = (now.at - before.at) / 1000;
  // As df counts: what only root may still use is not free to anyone else.
  const diskUsed = disk.blocks - disk.bfree;
  return {
    at: Date.now(),
    cpuPercent: percent(now.busyTicks - before.busyTicks, now.totalTicks - before.totalTicks),
    memoryPercent: percent(totalBytes - availableBytes, totalBytes),
    diskPercent: percent(diskUsed, diskUsed + disk.bavail),
    cores: cpus().length,
    memoryBytes: totalBytes,
    replicas: [...now.replicas.values()].map((each) => replicaSample(before.replicas.get(each.id), each, seconds)),
  };
}
