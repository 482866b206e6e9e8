import { randomUUID } from 'node:crypto';
import { AvkError, messageOf } from '../../../domain/errors.ts';
import type { CommandResult } from '../../../ports/host.ts';
import type { Log } from '../../../ports/log.ts';
import { deadline } from './answer.ts';
import { type Program, type Sessions, startProgram } from './channel.ts';
import { refused, unreachable } from './failure.ts';
import { quote } from './quote.ts';

export interface Commands extends Sessions {
  /** Of their own, so that ending a program does not wait for the ones that run. */
  killing: Sessions['slots'];
  log: Log;
}

/** A command that takes longer is ended, whatever its caller's signal does. */
const COMMAND_MS = 60_000;
/** A command that prints more than this is ended: its output is kept in memory. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
/** For a program to end that is told to: two seconds to do so by itself, then by force. */
const KILL_MS = 8_000;
/** Where the first line is looked for: a shell may have its own words before it. */
const MAX_BEGINNING_CHUNKS = 64;

/**
 * Becomes the program, after a line on both outputs that tells its number and parts its words from those of the user's
 * own shell. SSH's server opens a session for it. Programs of the administrator are found, too.
 */
const BEGIN = `PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
case $2 in
*/*) [ -f "$2" ] && [ -x "$2" ] ;;
*) command -v "$2" >/dev/null 2>&1 ;;
esac || { echo "$1 missing"; exit 127; }
echo "$1 $$"
echo "$1" >&2
export PATH LANG=C.UTF-8 AVISHKAR_COMMAND="$1"
shift
exec "$@"`;

/**
 * Ends the members of a session, and what left it with the mark in its environment: first it asks, then it does not.
 * Looks again until there is nothing left, as a process may fork meanwhile.
 */
const END = `mark=$1 session=$2 round=0
while :; do
  left=$(
    grep -lsF "AVISHKAR_COMMAND=$mark" /proc/[0-9]*/environ | cut -d / -f 3
    awk -v session="$session" 'BEGIN {
      for (i = 1; i < ARGC; i++) {
        if ((getline line < ARGV[i]) <= 0) continue
        close(ARGV[i])
        sub(/^.*[)] /, "", line)
        split(line, field, " ")
        split(ARGV[i], path, "/")
        if (field[4] == session && field[1] !~ /[ZX]/) print path[3]
      }
    }' /proc/[0-9]*/stat
  )
  [ -n "$left" ] || exit 0
  if [ "$round" -eq 0 ]; then kill -TERM $left 2>/dev/null; fi
  if [ "$round" -ge 20 ]; then kill -KILL $left 2>/dev/null; fi
  [ "$round" -lt 60 ] || exit 1
  round=$((round + 1))
  sleep 0.1
done`;

/** Runs a program on the machine; `Host.run` says what that means. */
export async function runOverSsh(
  commands: Commands,
  argv: readonly [string, ...string[]],
  { signal, stdin }: { signal: AbortSignal; stdin?: string },
): Promise<CommandResult> {
  const { machine, clock } = commands;
  using limit = deadline(
    clock,
    signal,
    COMMAND_MS,
    () => new AvkError('AVK_DEADLINE', `${argv[0]} took longer than ${COMMAND_MS / 1000} seconds on ${machine.name}.`),
  );
  const mark = randomUUID();
  const text = `exec ${quote(['sh', '-c', BEGIN, 'sh', mark, ...argv])}`;
  const program = await startProgram(commands, text, limit.signal, (late) => {
    late.close();
    void endProgram(commands, argv[0], mark, null);
  });
  try {
    return await follow(commands, program, argv[0], mark, limit.signal, stdin);
  } finally {
    program.end();
  }
}

async function follow(
  commands: Commands,
  { channel, ended, lost }: Program,
  name: string,
  mark: string,
  signal: AbortSignal,
  stdin: string | undefined,
): Promise<CommandResult> {
  const { machine } = commands;
  const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  const tooLong = new AbortController();
  const stop = AbortSignal.any([signal, tooLong.signal]);
  let bytes = 0;
  const begun = Promise.withResolvers<number | null>();
  const keep = (stream: 'stdout' | 'stderr', chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes <= MAX_OUTPUT_BYTES) output[stream].push(chunk);
    else tooLong.abort(new AvkError('AVK_INTERNAL', `${name} printed more than 16 MiB on ${machine.name}.`));
  };
  channel.on('data', (chunk: Buffer) => {
    keep('stdout', chunk);
    if (output.stdout.length > MAX_BEGINNING_CHUNKS) return;
    const header = headerOf(mark, Buffer.concat(output.stdout));
    if (header) begun.resolve(header.pid);
  });
  channel.stderr.on('data', (chunk: Buffer) => keep('stderr', chunk));
  void ended.then(() => begun.resolve(null));
  channel.end(stdin ?? '');

  const exitCode = await Promise.race([ended, aborted(stop)]);
  if (stop.aborted) {
    await endProgram(commands, name, mark, begun.promise);
    throw stop.reason;
  }
  if (exitCode === null) {
    throw lost.aborted ? lost.reason : unreachable(machine, `the connection was lost while ${name} ran`);
  }
  const stdout = Buffer.concat(output.stdout);
  const stderr = Buffer.concat(output.stderr);
  const header = headerOf(mark, stdout);
  if (!header) {
    const said = `${stderr}${stdout}`.trim().slice(0, 500) || 'it said nothing';
    throw refused(machine, `did not run ${name}; the shell of the user ${machine.username} answered: ${said}`);
  }
  if (header.pid === null) {
    throw new AvkError('AVK_COMMAND_NOT_FOUND', `The program ${name} cannot be run on ${machine.name}.`);
  }
  const words = stderr.indexOf(`${mark}\n`);
  return {
    exitCode,
    stdout: stdout.subarray(header.end).toString(),
    stderr: stderr.subarray(words < 0 ? 0 : words + mark.length + 1).toString(),
  };
}

/** The line that parts the program's output from what came before; `pid` is null where there is no such program. */
function headerOf(mark: string, stdout: Buffer): { pid: number | null; end: number } | null {
  const start = stdout.indexOf(`${mark} `);
  const end = start < 0 ? -1 : stdout.indexOf('\n', start);
  if (end < 0) return null;
  const said = stdout.subarray(start + mark.length + 1, end).toString('latin1');
  return { pid: said === 'missing' ? null : Number(said), end: end + 1 };
}

function aborted(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(null);
    else signal.addEventListener('abort', () => resolve(null), { once: true });
  });
}

/** Ends a program and all it started. Where that cannot be done, e.g. without a connection, it is written down. */
async function endProgram(
  commands: Commands,
  name: string,
  mark: string,
  begun: Promise<number | null> | null,
): Promise<void> {
  const { machine, clock, killing, log } = commands;
  const never = new AbortController().signal;
  const late = (): Error => unreachable(machine, `${name} did not end within ${KILL_MS / 1000} seconds`);
  let killer: Program | null = null;
  try {
    using limit = deadline(clock, never, KILL_MS, late);
    const session = begun && (await Promise.race([begun, aborted(limit.signal)]));
    const text = `exec ${quote(['sh', '-c', END, 'sh', mark, `${session ?? ''}`])}`;
    // One after the other; each has its own time.
    killer = await startProgram({ ...commands, slots: killing }, text, never);
    killer.channel.resume();
    killer.channel.stderr.resume();
    killer.channel.end();
    using ending = deadline(clock, never, KILL_MS, late);
    const exitCode = await Promise.race([killer.ended, aborted(ending.signal)]);
    ending.signal.throwIfAborted();
    if (exitCode !== 0) throw late();
  } catch (error) {
    log.warn({ machine: machine.name, reason: messageOf(error) }, `${name} may still run on ${machine.name}`);
  } finally {
    killer?.end();
  }
}
