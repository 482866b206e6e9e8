import type { Duplex } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import { messageOf } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { CommandResult, ConnectTarget } from '../../../ports/host.ts';
import { answer, deadline } from './answer.ts';
import { CHANNEL_MS, isChannelRefusal, PROHIBITED } from './channel.ts';
import { ChannelStream } from './channel-stream.ts';
import type { Connection } from './connection.ts';
import { type Machine, refused, unreachable } from './failure.ts';

export interface Forwarding {
  machine: Machine;
  clock: Clock;
  get: (signal: AbortSignal) => Promise<Connection>;
  /** To find out what is wrong with a socket, of which SSH says nothing. */
  run: (argv: readonly [string, ...string[]], options: { signal: AbortSignal }) => Promise<CommandResult>;
}

/** A connection that the machine makes; `Host.connect` says what that means. */
export async function connectThrough(
  forwarding: Forwarding,
  target: ConnectTarget,
  { signal }: { signal: AbortSignal },
): Promise<Duplex> {
  const { machine, clock } = forwarding;
  const { client, lost } = await forwarding.get(signal);
  using limit = deadline(clock, AbortSignal.any([signal, lost]), CHANNEL_MS, () =>
    systemError('ETIMEDOUT', machine, target),
  );
  try {
    const channel = await answer<ClientChannel>(
      limit.signal,
      (callback) => {
        if ('socket' in target) client.openssh_forwardOutStreamLocal(target.socket, callback);
        else client.forwardOut('127.0.0.1', 0, target.ip, target.port, callback);
      },
      (late) => late.close(),
    );
    return new ChannelStream(channel, lost);
  } catch (error) {
    if (error === limit.signal.reason) throw error;
    if (!isChannelRefusal(error)) throw unreachable(machine, messageOf(error), error);
    const code =
      error.reason === PROHIBITED
        ? PROHIBITED
        : 'socket' in target
          ? await whatIsWrong(forwarding, target.socket, signal)
          : codeOf(error.message);
    if (code !== PROHIBITED) throw systemError(code, machine, target, error);
    throw refused(
      machine,
      'does not let the platform connect through it: set AllowTcpForwarding and AllowStreamLocalForwarding to yes in its sshd_config.',
      error,
    );
  }
}

/** SSH's server passes the words of the C library on. */
function codeOf(message: string): string {
  if (/connection refused/i.test(message)) return 'ECONNREFUSED';
  if (/timed out/i.test(message)) return 'ETIMEDOUT';
  if (/no route|unreachable/i.test(message)) return 'EHOSTUNREACH';
  // Older servers say no more than that it failed.
  return 'ECONNREFUSED';
}

/** Of a socket, SSH's server says only that it could not be opened, also when it was not allowed to try. */
async function whatIsWrong(
  { run }: Forwarding,
  path: string,
  signal: AbortSignal,
): Promise<string | typeof PROHIBITED> {
  const look = `if [ ! -e "$1" ]; then exit 2; elif [ ! -w "$1" ]; then exit 13; fi
    awk -v name="$1" -v real="$(readlink -f "$1")" '
      $4 == "00010000" && ($8 == name || $8 == real) { listens = 1 }
      END { exit listens ? 1 : 111 }
    ' /proc/net/unix`;
  const { exitCode } = await run(['sh', '-c', look, 'sh', path], { signal });
  if (exitCode === 1) return PROHIBITED;
  return exitCode === 2 ? 'ENOENT' : exitCode === 13 ? 'EACCES' : 'ECONNREFUSED';
}

function systemError(code: string, machine: Machine, target: ConnectTarget, cause?: unknown): NodeJS.ErrnoException {
  const where = 'socket' in target ? target.socket : `${target.ip}:${target.port}`;
  const why: Record<string, string> = {
    ENOENT: 'is not there',
    EACCES: `may not be used by ${machine.username}`,
    ETIMEDOUT: 'did not answer',
    EHOSTUNREACH: 'cannot be reached from there',
    ECONNREFUSED: 'has nobody listening',
  };
  const error = new Error(`${where} on ${machine.name} ${why[code] ?? 'cannot be reached'}`, { cause });
  return Object.assign(error, { code });
}
