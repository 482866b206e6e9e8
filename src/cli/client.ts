import type { z } from 'zod';
import { AvkError, ERRORS, type ErrorCode, messageOf } from '../domain/errors.ts';
import { clock, random } from './clock.ts';
import { type Credential, readCredentials } from './credentials.ts';
import { parseEvents, type ServerEvent } from './sse.ts';

export const LOGIN = '/api/auth/login/';
export const DEFAULT_URL = 'http://127.0.0.1:8010';
const CALL_MS = 30_000;
const UPLOAD_MS = 15 * 60_000;
/** The platform sends something every 15 s; a stream that is silent for longer is dead. */
const SILENCE_MS = 40_000;

type Environment = Record<string, string | undefined>;

/** The platform's HTTP API, with a deadline on every call and its errors as AvkError. */
export interface Client {
  readonly url: string;
  get<T>(path: string, schema: z.ZodType<T>): Promise<T>;
  post<T>(path: string, body: unknown, schema: z.ZodType<T>): Promise<T>;
  patch<T>(path: string, body: unknown, schema: z.ZodType<T>): Promise<T>;
  delete<T>(path: string, schema: z.ZodType<T>): Promise<T>;
  /** Sends a multipart form whose only field is the file; `status` tells 201 (new) from 200 (there already). */
  upload<T>(
    path: string,
    file: { name: string; content: AsyncIterable<Uint8Array> },
    schema: z.ZodType<T>,
  ): Promise<{ status: number; body: T }>;
  /** The bytes of an answer as they come. */
  download(path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /** Server-sent events until the platform ends them. `opened` is called once it has begun to send. */
  events(path: string, signal: AbortSignal, opened?: () => void): AsyncGenerator<ServerEvent>;
}

/** The platform to talk to: `--url`, AVISHKAR_URL, the one of the last login, this machine. */
export function platformUrl(given: string | undefined, env: Environment): string {
  const text = given ?? (env.AVISHKAR_URL || readCredentials(env).current || DEFAULT_URL);
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new AvkError('AVK_BAD_CONFIG', `${text} is no address of a platform; expected one such as ${DEFAULT_URL}`);
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

/** A client that acts for whoever is signed in at this platform. */
export function createClient(url: string, env: Environment): Client {
  return clientWith(url, () => tokenFor(url, env));
}

/** A client for signing in. */
export function createAnonymousClient(url: string): Client {
  return clientWith(url, () => null);
}

/** Null when nobody is signed in: the platform's answer then says whether that matters, and that it is there. */
function tokenFor(url: string, env: Environment): string | null {
  if (env.AVISHKAR_TOKEN) return env.AVISHKAR_TOKEN;
  const known: Credential | undefined = readCredentials(env).platforms[url];
  if (!known) return null;
  if (Date.parse(known.expiresAt) <= clock.now()) throw signIn(url, 'your sign-in has expired');
  return known.token;
}

function signIn(url: string, why: string): AvkError {
  const where = url === DEFAULT_URL ? '' : ` --url ${url}`;
  return new AvkError('AVK_UNAUTHENTICATED', `${why}; sign in with: npx avishkar login${where}`);
}

function clientWith(url: string, token: () => string | null): Client {
  async function send(method: string, path: string, init: RequestInit, ms: number | null): Promise<Response> {
    const held = token();
    const headers = {
      accept: 'application/json',
      ...(held === null ? {} : { authorization: `Bearer ${held}` }),
      ...(init.headers as Record<string, string> | undefined),
    };
    let response: Response;
    try {
      const signal = init.signal ?? deadline(ms ?? CALL_MS);
      response = await fetch(`${url}${path}`, { ...init, method, headers, signal });
    } catch (error) {
      throw unreachable(url, error);
    }
    if (!response.ok) throw await problem(url, response, held);
    return response;
  }

  async function read<T>(response: Response, schema: z.ZodType<T>): Promise<T> {
    let body: unknown;
    try {
      body = await response.json();
    } catch (error) {
      if (error instanceof SyntaxError) throw notOurs(url, 'its answer is not JSON', error);
      throw unreachable(url, error);
    }
    const parsed = schema.safeParse(body);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw notOurs(url, `its answer differs at ${issue?.path.join('.') || 'its root'}: ${issue?.message}`, parsed.error);
  }

  return {
    url,
    get: async (path, schema) => read(await send('GET', path, {}, CALL_MS), schema),
    post: async (path, body, schema) => read(await send('POST', path, json(body), CALL_MS), schema),
    patch: async (path, body, schema) => read(await send('PATCH', path, json(body), CALL_MS), schema),
    delete: async (path, schema) => read(await send('DELETE', path, {}, CALL_MS), schema),
    async upload(path, { name, content }, schema) {
      const boundary = `avishkar-${random.uuid()}`;
      const body = multipart(boundary, name, content);
      const init = { headers: { 'content-type': `multipart/form-data; boundary=${boundary}` }, body, duplex: 'half' };
      const response = await send('POST', path, init as unknown as RequestInit, UPLOAD_MS);
      return { status: response.status, body: await read(response, schema) };
    },
    async download(path, signal) {
      const { body } = await send('GET', path, { headers: { accept: 'application/zip' }, signal }, null);
      if (!body) throw notOurs(url, 'its answer is empty');
      return body;
    },
    async *events(path, signal, opened) {
      const silence = new AbortController();
      let timer = clock.after(SILENCE_MS, () => silence.abort());
      const init = { headers: { accept: 'text/event-stream' }, signal: AbortSignal.any([signal, silence.signal]) };
      try {
        const { body } = await send('GET', path, init, null);
        if (!body) return;
        opened?.();
        for await (const event of parseEvents(body)) {
          timer.cancel();
          timer = clock.after(SILENCE_MS, () => silence.abort());
          if (event) yield event;
        }
      } catch (error) {
        if (signal.aborted) return;
        throw error instanceof AvkError ? error : unreachable(url, error);
      } finally {
        timer.cancel();
      }
    },
  };
}

function json(body: unknown): RequestInit {
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

async function* multipart(
  boundary: string,
  name: string,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const safe = name.replace(/[^\w.-]/g, '_');
  yield Buffer.from(
    `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${safe}"\r\ncontent-type: application/zip\r\n\r\n`,
  );
  yield* content;
  yield Buffer.from(`\r\n--${boundary}--\r\n`);
}

/** A failed answer as the platform meant it. */
async function problem(url: string, response: Response, held: string | null): Promise<AvkError> {
  const body = (await response.json().catch(() => null)) as {
    code?: unknown;
    detail?: unknown;
    errors?: { path: string; message: string; received?: string }[];
    lastLogLines?: string[];
  } | null;
  if (typeof body?.code !== 'string' || typeof body.detail !== 'string') {
    return notOurs(url, `it answered ${response.status} ${response.statusText}`.trimEnd());
  }
  if (body.code === 'AVK_UNAUTHENTICATED' && !response.url.endsWith(LOGIN)) {
    return signIn(url, held === null ? 'you are not signed in' : body.detail.replace(/; sign in again$/, ''));
  }
  // A newer platform may have codes that this command does not know.
  const known = Object.hasOwn(ERRORS, body.code);
  return new AvkError(known ? (body.code as ErrorCode) : 'AVK_INTERNAL', body.detail, {
    errors: body.errors ?? [],
    lastLogLines: body.lastLogLines ?? [],
  });
}

function unreachable(url: string, error: unknown): AvkError {
  if (error instanceof AvkError) return error;
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new AvkError('AVK_DEADLINE', `${url} did not answer in time; look at its log, or try again`, {
      cause: error,
    });
  }
  const cause = error instanceof Error && error.cause ? (error.cause as NodeJS.ErrnoException) : error;
  const code = (cause as NodeJS.ErrnoException | null)?.code;
  if (code === 'ECONNREFUSED') {
    const message = `no platform answers at ${url}; start it with: npm start, or name another with --url`;
    return new AvkError('AVK_SERVICE_UNAVAILABLE', message, { cause: error });
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    const message = `${new URL(url).hostname} is not known to this machine; name the platform with --url`;
    return new AvkError('AVK_SERVICE_UNAVAILABLE', message, { cause: error });
  }
  const message = `the connection to ${url} broke: ${messageOf(cause) || code}`;
  return new AvkError('AVK_SERVICE_UNAVAILABLE', message, { cause: error });
}

function notOurs(url: string, why: string, cause?: unknown): AvkError {
  return new AvkError('AVK_INTERNAL', `what answers at ${url} is no Avishkar of this version: ${why}`, { cause });
}

/** Aborts after `ms`, as fetch reports it: with a TimeoutError. Does not keep the process alive. */
function deadline(ms: number): AbortSignal {
  const controller = new AbortController();
  clock.after(ms, () => controller.abort(new DOMException(`no answer within ${ms} ms`, 'TimeoutError')), {
    background: true,
  });
  return controller.signal;
}
