import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import ssh2, { type Client } from 'ssh2';
import { AvkError } from '../../../domain/errors.ts';
import { describeHostKey, type KnownHostKey } from '../../../domain/host-key.ts';
import type { Clock, Timer } from '../../../ports/clock.ts';
import type { Log } from '../../../ports/log.ts';
import { answer } from './answer.ts';
import { connectFailure, hostKeyChanged, knownHostKey, type Machine, unreachable } from './failure.ts';
import { type HostKeyPins, hostKeyAlgorithms } from './host-key.ts';
import { checkKeyFile } from './key-file.ts';

/** A connection that stands. */
export interface Connection {
  client: Client;
  /** Aborts when the connection is lost, with an AvkError that says why. */
  lost: AbortSignal;
}

/** The one connection to a machine that all calls share. */
export interface KeptConnection {
  /**
   * The connection, made if there is none. After a failed try the next ones wait for a while, and meanwhile this fails
   * at once, with the same reason.
   *
   * @throws AvkError AVK_HOST_UNREACHABLE, AVK_HOST_REFUSED, AVK_HOST_KEY_CHANGED
   */
  get(signal: AbortSignal): Promise<Connection>;
  close(): Promise<void>;
}

export interface ConnectionOptions {
  machine: Machine;
  /** As the configuration gives it; then pins are not looked at. */
  hostKey?: string;
  pins: HostKeyPins;
  clock: Clock;
  log: Log;
}

/** TCP, keys, signing in: all of it. */
const CONNECT_MS = 5_000;
/** Between failed tries: doubled with each, up to the second. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
/** How often the machine is asked whether it is there, and how often it is looked whether anything came. */
const PING_MS = 1_000;
const LOOK_MS = 500;
/** So many looks without a byte: the connection is lost. */
const SILENT_LOOKS = 7;

/** Keeps one connection to a machine: made at first need, watched, and made anew at the next need when it was lost. */
export function keepConnection(options: ConnectionOptions): KeptConnection {
  const { machine, clock, log } = options;
  let current: Connection | null = null;
  let opening: Promise<Connection> | null = null;
  let failures = 0;
  let pause: { until: number; why: AvkError } | null = null;
  const closed = new AbortController();

  async function open(): Promise<Connection> {
    try {
      const connection = await openConnection(options, closed.signal);
      failures = 0;
      pause = null;
      current = connection;
      log.info({ machine: machine.name }, `connected to ${machine.name} over SSH`);
      connection.lost.addEventListener('abort', () => {
        if (current === connection) current = null;
        if (!closed.signal.aborted) log.warn({ machine: machine.name }, connection.lost.reason.message);
      });
      return connection;
    } catch (error) {
      if (error instanceof AvkError && !closed.signal.aborted) {
        if (failures === 0) log.warn({ machine: machine.name, code: error.code }, error.message);
        const wait = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
        failures = Math.min(failures + 1, 16);
        pause = { until: clock.monotonic() + wait, why: error };
      }
      throw error;
    }
  }

  return {
    async get(signal) {
      signal.throwIfAborted();
      closed.signal.throwIfAborted();
      if (current && !current.lost.aborted) return current;
      if (!opening) {
        if (pause && clock.monotonic() < pause.until) {
          const { code, message, retryable } = pause.why;
          throw new AvkError(code, message, { cause: pause.why, retryable });
        }
        opening = open().finally(() => {
          opening = null;
        });
        // Whoever asked may have given up meanwhile.
        opening.catch(() => undefined);
      }
      const made = opening;
      return answer(signal, (callback) =>
        made.then((connection) => callback(null, connection), callback as () => void),
      );
    },
    async close() {
      closed.abort(unreachable(machine, 'the platform has closed the connection'));
      current?.client.end();
      current?.client.destroy();
      await opening?.catch(() => undefined);
    },
  };
}

function openConnection(options: ConnectionOptions, closed: AbortSignal): Promise<Connection> {
  const { machine, pins, clock } = options;
  const { name, address, port, username } = machine;
  const given = options.hostKey === undefined ? null : knownHostKey(machine, options.hostKey, 'the configuration');
  const pinned = given ? null : pins.get(name);
  const known = given ?? (pinned === null ? null : knownHostKey(machine, pinned, pins.where));
  const key = signInWith(machine);

  return new Promise((resolve, reject) => {
    closed.throwIfAborted();
    const client = new ssh2.Client();
    const lost = new AbortController();
    const socket = connect({ host: address, port });
    socket.setNoDelay(true);
    let shown: { type: string; fingerprint: string } | null = null;
    let failure: AvkError | null = null;
    let watch: Timer | null = null;

    const fail = (error: AvkError): void => {
      failure ??= error;
      reject(failure);
      if (!lost.signal.aborted) lost.abort(failure);
      watch?.cancel();
      client.destroy();
      socket.destroy();
    };
    const close = (): void => fail(closed.reason);
    closed.addEventListener('abort', close, { once: true });

    client.on('ready', () => {
      if (failure) return;
      try {
        if (!known && shown) pins.pin(name, `${shown.type} ${shown.fingerprint}`);
      } catch (error) {
        reject(error);
        fail(unreachable(machine, 'its host key could not be written down', error));
        return;
      }
      watch = watchSilence(
        clock,
        () => socket.bytesRead,
        () => fail(unreachable(machine, `it has not answered for ${(SILENT_LOOKS * LOOK_MS) / 1000} seconds`)),
      );
      resolve({ client, lost: lost.signal });
    });
    client.on('error', (error) => fail(connectFailure(machine, error)));
    client.on('end', () => fail(unreachable(machine, 'it ended the connection')));
    client.on('close', () => {
      closed.removeEventListener('abort', close);
      fail(unreachable(machine, 'the connection was broken off'));
    });
    try {
      client.connect({
        sock: socket,
        username,
        ...key,
        readyTimeout: CONNECT_MS,
        // Asks for bytes only. Whether the machine is silent is looked at here, by any byte: an answer to a ping may stand
        // in line behind megabytes that go the same way.
        keepaliveInterval: PING_MS,
        keepaliveCountMax: 1_000_000,
        algorithms: { serverHostKey: hostKeyAlgorithms(known) },
        hostVerifier: (blob: Buffer) => {
          shown = describeHostKey(blob);
          if (!known || sameKey(known, shown)) return true;
          fail(hostKeyChanged(machine, known, shown, given ? { given: true } : { given: false, where: pins.where }));
          return false;
        },
      });
    } catch (error) {
      fail(connectFailure(machine, error as Error));
    }
  });
}

function sameKey(known: KnownHostKey, shown: { type: string; fingerprint: string }): boolean {
  return known.fingerprint === shown.fingerprint && (known.type === null || known.type === shown.type);
}

function signInWith(machine: Machine) {
  const { name, username, privateKey } = machine;
  if ('agent' in privateKey) {
    if (privateKey.agent === '') {
      const none = 'there is no SSH agent (SSH_AUTH_SOCK), and no private key is named for it';
      throw new AvkError('AVK_HOST_REFUSED', `The platform cannot sign in to ${name}: ${none}.`);
    }
    return { agent: privateKey.agent, authHandler: [{ type: 'agent' as const, username, agent: privateKey.agent }] };
  }
  const wrong = checkKeyFile(privateKey.path);
  if (wrong) throw new AvkError('AVK_HOST_REFUSED', `The platform cannot sign in to ${name}: ${wrong}.`);
  const key = readFileSync(privateKey.path);
  return { authHandler: [{ type: 'publickey' as const, username, key }] };
}

/** Looks again and again whether the count has grown. Looks are counted, not time: ours may have stood still. */
function watchSilence(clock: Clock, count: () => number, silent: () => void): Timer {
  let before = count();
  let looks = 0;
  let timer: Timer;
  const look = (): void => {
    const now = count();
    looks = now === before ? looks + 1 : 0;
    before = now;
    if (looks >= SILENT_LOOKS) silent();
    else timer = clock.after(LOOK_MS, look, { background: true });
  };
  timer = clock.after(LOOK_MS, look, { background: true });
  return { cancel: () => timer.cancel() };
}
