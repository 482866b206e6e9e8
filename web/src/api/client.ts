import type { FieldError, Problem } from './types.ts';

/** A request that did not succeed, with what the platform said about it. Status 0: it did not answer at all. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly fields: FieldError[];
  readonly lastLogLines: string[];

  constructor(problem: Problem) {
    super(problem.detail);
    this.status = problem.status;
    this.code = problem.code;
    this.title = problem.title;
    this.fields = problem.errors ?? [];
    this.lastLogLines = problem.lastLogLines ?? [];
  }
}

/** The cookie alone must not be enough to change something: another site's page could make a browser send it. */
export const CSRF_HEADER = { 'x-avishkar-csrf': '1' };

let onSignedOut: () => void = () => undefined;

/** Called whenever an answer says that the session is over. */
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

export function sessionEnded(): void {
  onSignedOut();
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> => request<T>('GET', path, undefined, signal);
export const post = <T>(path: string, body: unknown = {}): Promise<T> => request<T>('POST', path, body);
export const patch = <T>(path: string, body: unknown): Promise<T> => request<T>('PATCH', path, body);
export const remove = <T>(path: string): Promise<T> => request<T>('DELETE', path);

/** Signs in; the token stays in a cookie that scripts cannot read. A wrong password is no end of a session. */
export async function signIn(username: string, password: string): Promise<void> {
  await send('POST', '/api/auth/login/', { username, password }, { 'x-avishkar-session': 'cookie' });
}

async function request<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  try {
    return await send<T>(method, path, body, method === 'GET' ? {} : CSRF_HEADER, signal);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) sessionEnded();
    throw error;
  }
}

async function send<T>(
  method: string,
  path: string,
  body: unknown,
  headers: Record<string, string>,
  signal?: AbortSignal,
): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      credentials: 'same-origin',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiError(silent());
  }
  const text = await response.text();
  if (!response.ok) throw new ApiError(problemOf(response.status, text));
  try {
    return (text === '' ? {} : JSON.parse(text)) as T;
  } catch {
    throw new ApiError(problemOf(502, ''));
  }
}

export function silent(): Problem {
  return {
    title: 'No answer',
    status: 0,
    code: '',
    detail: 'The platform does not answer. Is it running, and is this machine connected to it?',
    errors: [],
  };
}

/** The body as a problem; what something else on the way answered becomes one, too. */
export function problemOf(status: number, text: string): Problem {
  try {
    const problem = JSON.parse(text) as Partial<Problem>;
    if (typeof problem.detail === 'string') {
      return { title: 'Not possible', code: '', errors: [], ...problem, status } as Problem;
    }
  } catch {
    // Not JSON: a proxy's own page. Its status is all there is to say.
  }
  return {
    title: 'Unexpected answer',
    status,
    code: '',
    detail: `The platform answered with status ${status}.`,
    errors: [],
  };
}

/** Reasons come as they stand in a message; on their own they begin and end as a sentence. */
export function asSentence(text: string): string {
  const trimmed = text.trim();
  const end = /[.!?…:]$/.test(trimmed) ? '' : '.';
  // Names of fields, files and programs stay as they are.
  const first = /^(?!(?:npm|pip|node|python3)\b)[a-z]+(?=[\s,]|$)/.test(trimmed)
    ? trimmed.charAt(0).toUpperCase()
    : trimmed.charAt(0);
  return `${first}${trimmed.slice(1)}${end}`;
}

/** What to say about any thrown value. */
export function sentence(error: unknown): string {
  return asSentence(error instanceof Error ? error.message : String(error));
}
