import { Agent, type AgentOptions, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { type Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { AvkError, messageOf } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Host } from '../../../ports/host.ts';

/** What this code is written for: Docker 20.10 and later. */
const SPOKEN = '1.41';
const SOCKET = '/var/run/docker.sock';
/** A call that takes longer than this has no answer. */
const CALL_MS = 30_000;
/** An answer that is read whole is never as long as this. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export type Query = Record<string, string | number | boolean | undefined>;

export interface CallOptions {
  query?: Query;
  /** Sent as JSON, or as it comes when it is a stream. */
  body?: object | Readable;
  signal?: AbortSignal;
  /** For the whole of a call; for a stream, until its head has come. Default 30 s; `null`: only the signal ends it. */
  timeoutMs?: number | null;
  /** Takes long by its nature, as ending an app does: then it takes no place of the quick ones. */
  slow?: boolean;
}

/** Docker understood the request and says no. */
export class DockerError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'DockerError';
    this.status = status;
  }
}

export function hasStatus(error: unknown, ...statuses: number[]): error is DockerError {
  return error instanceof DockerError && statuses.includes(error.status);
}

/** The Engine API of one machine. Calls throw DockerError, and AVK_HOST_UNREACHABLE when Docker does not answer. */
export interface DockerApi {
  /** The answer parsed, its body read whole. */
  call<T>(method: Method, path: string, schema: z.ZodType<T>, options?: CallOptions): Promise<T>;
  /** For answers that say no more than that it is done. */
  act(method: Method, path: string, options?: CallOptions): Promise<void>;
  /** The answer as it comes. Whoever asked destroys it. */
  stream(method: Method, path: string, options?: CallOptions): Promise<IncomingMessage>;
  /** Any failure of a stream that was under way, as a call would have thrown it. */
  failed(error: unknown, what: string): unknown;
  close(): void;
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

const versionSchema = z.object({ ApiVersion: z.string(), MinAPIVersion: z.string().optional() });
const errorSchema = z.object({ message: z.string() });

export function createDockerApi(deps: { host: Host; clock: Clock }): DockerApi {
  const { host, clock } = deps;
  // Streams, of which there may be one per replica, do not take the places of calls.
  const calls = new TunnelAgent(host, clock, { keepAlive: true, maxSockets: 16, maxFreeSockets: 8 });
  const streams = new TunnelAgent(host, clock, { keepAlive: false });
  let version: Promise<string> | null = null;

  function unreachable(what: string, error: unknown): AvkError {
    // Whatever serves the next connection may be another version of Docker.
    version = null;
    if (error instanceof AvkError) return error;
    const hint = /EACCES|permission denied/i.test(messageOf(error))
      ? `: its user may not use ${SOCKET}; add it to the group docker (usermod -aG docker USER)`
      : `: ${messageOf(error)}`;
    return new AvkError('AVK_HOST_UNREACHABLE', `Docker on ${host.name} does not answer (${what})${hint}.`, {
      cause: error,
    });
  }

  async function open(
    agent: Agent,
    method: Method,
    path: string,
    options: CallOptions,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { body } = options;
    const json = body === undefined || body instanceof Readable ? null : JSON.stringify(body);
    const headers: Record<string, string | number> = { host: 'docker' };
    if (json !== null)
      Object.assign(headers, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) });
    else if (body) headers['content-type'] = 'application/x-tar';
    else if (method !== 'GET') headers['content-length'] = 0;
    for (let again = true; ; again = false) {
      const request = httpRequest({ agent, method, path, headers, signal });
      try {
        return await (body instanceof Readable ? send(request, body) : send(request, json));
      } catch (error) {
        signal.throwIfAborted();
        // A kept connection may have been closed by the other side just now; nothing was done with the request.
        if (again && request.reusedSocket && !(body instanceof Readable)) continue;
        throw error;
      }
    }
  }

  /** Runs `fn` with a signal that ends with the caller's or when the time is over. */
  async function within<T>(
    what: string,
    { signal, timeoutMs = CALL_MS }: CallOptions,
    fn: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    const late = new AbortController();
    const timer =
      timeoutMs === null
        ? null
        : clock.after(timeoutMs, () => late.abort(new Error(`no answer within ${timeoutMs / 1000} s`)));
    try {
      return await fn(signal ? AbortSignal.any([signal, late.signal]) : late.signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof DockerError) throw error;
      throw unreachable(what, late.signal.aborted ? late.signal.reason : error);
    } finally {
      timer?.cancel();
    }
  }

  async function askVersion(): Promise<string> {
    const answer = await within('GET /version', {}, async (signal) =>
      readWhole(await open(calls, 'GET', '/version', {}, signal)),
    );
    const { ApiVersion, MinAPIVersion } = versionSchema.parse(JSON.parse(answer));
    if (compare(ApiVersion, SPOKEN) < 0) {
      const why = `Docker on ${host.name} speaks version ${ApiVersion} of its API, and ${SPOKEN} is needed: install Docker 20.10 or newer.`;
      throw new AvkError('AVK_HOST_UNREACHABLE', why, { retryable: false });
    }
    return MinAPIVersion !== undefined && compare(MinAPIVersion, SPOKEN) > 0 ? MinAPIVersion : SPOKEN;
  }

  async function ask(
    agent: Agent,
    method: Method,
    path: string,
    options: CallOptions,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    version ??= askVersion().catch((error: unknown) => {
      version = null;
      throw error;
    });
    const spoken = await orAborted(version, signal);
    const answer = await open(agent, method, `/v${spoken}${path}${queryOf(options.query)}`, options, signal);
    const status = answer.statusCode ?? 0;
    if (status < 400) return answer;
    const message = sentenceOf(await readWhole(answer));
    if (/client version/.test(message)) version = null;
    throw new DockerError(status, message);
  }

  const read = (method: Method, path: string, options: CallOptions): Promise<string> =>
    within(`${method} ${path}`, options, async (signal) =>
      readWhole(await ask(options.slow ? streams : calls, method, path, options, signal)),
    );

  return {
    async call(method, path, schema, options = {}) {
      const text = await read(method, path, options);
      const parsed = schema.safeParse(JSON.parse(text || 'null'));
      if (parsed.success) return parsed.data;
      throw new AvkError('AVK_INTERNAL', `Docker on ${host.name} answered ${method} ${path} in an unknown way.`, {
        cause: parsed.error,
      });
    },
    async act(method, path, options = {}) {
      await read(method, path, options);
    },
    stream: (method, path, options = {}) =>
      within(`${method} ${path}`, options, (signal) => ask(streams, method, path, options, signal)),
    failed: (error, what) =>
      error instanceof AvkError || error instanceof DockerError ? error : unreachable(what, error),
    close() {
      calls.destroy();
      streams.destroy();
    },
  };
}

/** Keeps connections through the machine, each of which would cost a round trip or more. */
class TunnelAgent extends Agent {
  readonly #host: Host;
  readonly #clock: Clock;

  constructor(host: Host, clock: Clock, options: AgentOptions) {
    super(options);
    this.#host = host;
    this.#clock = clock;
  }

  override createConnection(_: object, callback?: (error: Error | null, socket: Duplex) => void): undefined {
    const late = new AbortController();
    const timer = this.#clock.after(CALL_MS, () => late.abort(new Error(`no connection within ${CALL_MS / 1000} s`)));
    this.#host
      .connect({ socket: SOCKET }, { signal: late.signal })
      .then(
        (stream) => callback?.(null, asSocket(stream)),
        // As net would call it: without a socket.
        (error: Error) => (callback as ((error: Error) => void) | undefined)?.(error),
      )
      .finally(() => timer.cancel());
  }
}

/** The agent calls these, and a channel of a tunnel lacks them: what is kept alive is the tunnel as a whole. */
function asSocket(stream: Duplex): Duplex {
  for (const name of ['setKeepAlive', 'setNoDelay', 'setTimeout', 'ref', 'unref']) {
    if (!(name in stream)) Object.defineProperty(stream, name, { value: () => stream });
  }
  return stream;
}

/** Sends it and waits for the head of the answer, which may come before all is sent. */
function send(request: ClientRequest, body: Readable | string | null): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    let answer: IncomingMessage | undefined;
    request.on('error', (error) => {
      reject(error);
      // Whoever reads the answer would be told no more than that it was aborted.
      answer?.destroy(error);
    });
    request.once('response', (response) => {
      answer = response;
      // Whoever reads it hears of it; until then it must not be what ends the process.
      response.on('error', () => undefined);
      resolve(response);
    });
    request.once('close', () => reject(new Error('the connection was closed')));
    if (!(body instanceof Readable)) {
      request.end(body ?? undefined);
      return;
    }
    // A request that is given up because of this would not say why.
    pipeline(body, request).catch((error: Error) => {
      if (body.errored) reject(body.errored);
      answer?.destroy(error);
    });
  });
}

async function readWhole(answer: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of answer) {
    bytes += (piece as Buffer).length;
    if (bytes > MAX_ANSWER_BYTES) throw new Error('the answer is too long');
    pieces.push(piece as Buffer);
  }
  return Buffer.concat(pieces).toString();
}

/** What a refusal says, without the braces around it. */
function sentenceOf(text: string): string {
  try {
    return errorSchema.parse(JSON.parse(text)).message.trim();
  } catch {
    return text.trim().slice(0, 1000);
  }
}

function queryOf(query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  return parameters.size > 0 ? `?${parameters}` : '';
}

/** Of versions such as 1.41: negative when the first is older. */
/** Waits no longer than the signal says. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    const over = (): void => signal.removeEventListener('abort', abort);
    work.then(resolve, reject).finally(over);
  });
}

function compare(one: string, other: string): number {
  const [a, b] = [one, other].map((version) => version.split('.').map(Number));
  return (a?.[0] ?? 0) - (b?.[0] ?? 0) || (a?.[1] ?? 0) - (b?.[1] ?? 0);
}
