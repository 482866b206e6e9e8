import { constants } from 'node:os';
import type { ClientChannel } from 'ssh2';
import { AvkError, messageOf } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import { answer, deadline } from './answer.ts';
import type { Connection } from './connection.ts';
import { type Machine, refused, unreachable } from './failure.ts';
import type { Slots } from './slots.ts';

/** For the machine to open a channel, once the connection stands. */
export const CHANNEL_MS = 5_000;
/** Before a machine that opens no more sessions is asked again. */
const REFUSED_PAUSE_MS = 100;

/** The machine did not open a channel, with its reason, as RFC 4254 numbers them. */
export interface ChannelRefusal extends Error {
  reason: number;
}

export function isChannelRefusal(error: unknown): error is ChannelRefusal {
  return error instanceof Error && typeof (error as Partial<ChannelRefusal>).reason === 'number';
}

export const PROHIBITED = 1;

/** Where programs are started: how many at once the machine lets us is its own to say (`MaxSessions`). */
export interface Sessions {
  machine: Machine;
  clock: Clock;
  slots: Slots;
  get: (signal: AbortSignal) => Promise<Connection>;
}

/** A program that runs on the machine, and its three streams. To be ended. */
export interface Program {
  channel: ClientChannel;
  /**
   * When the channel has closed and all output was read: the exit code as shells say it, 128 + n when signal n ended the
   * program; null when the machine said nothing about it.
   */
  ended: Promise<number | null>;
  /** Of the connection that it runs over. */
  lost: AbortSignal;
  /** Closes the channel and lets the next one have its turn. The program itself may go on. */
  end(): void;
}

/**
 * Has the machine's shell run a text that was quoted before. Waits for a turn where too many run at once. The signal
 * counts until the machine is asked; a program that was begun is the caller's to end, also one whose channel came too
 * late, which is given to `late`.
 *
 * @throws AvkError AVK_HOST_UNREACHABLE, AVK_HOST_REFUSED; the signal's reason
 */
export async function startProgram(
  sessions: Sessions,
  text: string,
  signal: AbortSignal,
  late: (channel: ClientChannel) => void = (channel) => channel.close(),
): Promise<Program> {
  const { machine, clock, slots } = sessions;
  let refusedSince: number | null = null;
  for (;;) {
    const free = await slots.take(signal);
    try {
      const { client, lost } = await sessions.get(signal);
      signal.throwIfAborted();
      using limit = deadline(clock, lost, CHANNEL_MS, () => noChannel(machine));
      // Listened to at once: what a short program has to say comes in the same breath.
      let ended: Promise<number | null> = Promise.resolve(null);
      const channel = await answer<ClientChannel>(
        limit.signal,
        (callback) =>
          client.exec(text, (error, opened) => {
            if (!error) ended = endOf(opened);
            callback(error, opened);
          }),
        late,
      );
      const end = (): void => {
        channel.close();
        free();
      };
      return { channel, ended, lost, end };
    } catch (error) {
      free();
      if (isChannelRefusal(error)) {
        // The machine opens fewer sessions than were thought, or has not noticed yet that one is over.
        refusedSince ??= clock.monotonic();
        if (slots.taken() === 0 && clock.monotonic() - refusedSince > CHANNEL_MS) {
          throw refused(
            machine,
            'does not let the platform run programs: raise MaxSessions in its sshd_config.',
            error,
          );
        }
        await clock.sleep(REFUSED_PAUSE_MS, signal);
        continue;
      }
      if (error instanceof AvkError || signal.aborted) throw error;
      // The library's own words, e.g. for a machine that cannot start another process.
      throw unreachable(machine, `it did not start a program (${messageOf(error)})`, error);
    }
  }
}

function endOf(channel: ClientChannel): Promise<number | null> {
  let exitCode: number | null = null;
  channel.on('exit', (code: number | null, signal?: string) => {
    exitCode = code ?? 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
  });
  // Its end is told by `close`.
  channel.on('error', () => undefined);
  const closed = (stream: NodeJS.EventEmitter): Promise<void> =>
    new Promise((resolve) => void stream.once('close', resolve));
  return Promise.all([closed(channel), closed(channel.stderr)]).then(() => exitCode);
}

export function noChannel(machine: Machine): Error {
  return unreachable(machine, `it has not opened a channel for ${CHANNEL_MS / 1000} seconds`);
}
