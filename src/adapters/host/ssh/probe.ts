import type { ClientChannel } from 'ssh2';
import type { CommandResult, HostSample } from '../../../ports/host.ts';
import { deadline } from './answer.ts';
import { type Program, type Sessions, startProgram } from './channel.ts';
import { unreachable } from './failure.ts';
import { parseReading, type Reading, type ReplicaLimits, sampleOf } from './probe-reading.ts';
import { PROBE_PROGRAM, PROBE_SCRIPT } from './probe-script.ts';
import { quote } from './quote.ts';

export interface Probing extends Sessions {
  /** A folder on the file system that holds the services. */
  servicePath: string;
  /** By the id of the container. */
  replicas: () => ReplicaLimits;
  run: (argv: readonly [string, ...string[]], options: { signal: AbortSignal }) => Promise<CommandResult>;
}

/** The first sample comes after this time at the latest: it needs two readings. */
const FIRST_SAMPLE_MS = 250;
/** A machine that sends no reading for so long counts as lost. */
const SILENCE_MS = 3_000;
/** So long one script is used; then the next one takes over. */
const ROUND_MS = 20_000;
/**
 * A script ends itself after this time. Where the machine was cut off, nobody tells it that its connection is gone: TCP
 * may not notice for hours.
 */
const SCRIPT_SECONDS = 25;
const DOCKER_FOLDER = '/var/lib/docker';
const ASK_DOCKER_MS = 2_000;

/** A stream of samples; `Host.probe` says what that means. */
export async function* probeOverSsh(
  probing: Probing,
  { everyMs, signal }: { everyMs: number; signal: AbortSignal },
): AsyncGenerator<HostSample, void, undefined> {
  const { clock, replicas } = probing;
  let before: Reading | null = null;
  let next = clock.monotonic();
  let wait = Math.min(everyMs, FIRST_SAMPLE_MS);
  try {
    for await (const now of readings(probing, signal)) {
      if (before) {
        yield sampleOf(before, now, replicas(), clock.now());
        wait = everyMs;
      }
      if (signal.aborted) return;
      before = now;
      const time = clock.monotonic();
      // What was missed, because nobody asked, is not made up for.
      next = Math.max(next + wait, time);
      await clock.sleep(next - time, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** A reading each time that one is asked for. */
async function* readings(probing: Probing, signal: AbortSignal): AsyncGenerator<Reading, void, undefined> {
  const { machine, clock, servicePath } = probing;
  const docker = await dockerFolder(probing, signal);
  const script = quote(['timeout', `${SCRIPT_SECONDS}`, 'sh', '-c', PROBE_SCRIPT, PROBE_PROGRAM, servicePath, docker]);
  for (;;) {
    const program = await startProgram(probing, `exec ${script}`, signal);
    const end = clock.monotonic() + ROUND_MS;
    try {
      const lines = createLines(program);
      while (clock.monotonic() < end) {
        using limit = deadline(clock, AbortSignal.any([signal, program.lost]), SILENCE_MS, () =>
          unreachable(machine, `it has sent no sample for ${SILENCE_MS / 1000} seconds`),
        );
        const reading = parseReading(await lines.ask(limit.signal));
        if (!reading) throw unreachable(machine, `its probe answered with something else: ${lines.said()}`);
        yield reading;
      }
    } finally {
      program.end();
    }
  }
}

/** Where Docker keeps images and containers, which may be a disk of its own. */
async function dockerFolder({ clock, machine, run }: Probing, signal: AbortSignal): Promise<string> {
  using limit = deadline(clock, signal, ASK_DOCKER_MS, () => unreachable(machine, 'Docker did not say where it is'));
  const argv = ['docker', 'info', '--format', '{{.DockerRootDir}}'] as const;
  // Without Docker the machine is worth looking at all the same; if it is the connection, what comes next says so.
  const answered = await run(argv, { signal: limit.signal }).catch(() => null);
  signal.throwIfAborted();
  return answered?.exitCode === 0 && answered.stdout.startsWith('/') ? answered.stdout.trim() : DOCKER_FOLDER;
}

interface Lines {
  /** Asks for a line, and waits for it. */
  ask(signal: AbortSignal): Promise<string>;
  /** What came last on either output, for a person. */
  said(): string;
}

function createLines({ channel, lost }: Program): Lines {
  let text = '';
  let errors = '';
  let over = false;
  let wake: () => void = () => undefined;
  listen(channel, (chunk) => {
    text += chunk;
    wake();
  });
  channel.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors = `${errors}${chunk}`.slice(-500);
  });
  channel.once('close', () => {
    over = true;
    wake();
  });
  const said = (): string => errors.trim() || text.trim().slice(0, 500) || 'nothing';
  return {
    said,
    async ask(signal) {
      channel.write('\n');
      for (;;) {
        signal.throwIfAborted();
        const end = text.indexOf('\n');
        if (end >= 0) {
          const line = text.slice(0, end);
          text = text.slice(end + 1);
          return line;
        }
        if (over) {
          if (lost.aborted) throw lost.reason;
          return '';
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
    },
  };
}

function listen(channel: ClientChannel, on: (chunk: string) => void): void {
  channel.setEncoding('utf8');
  channel.on('data', on);
}
