import type { IncomingMessage } from 'node:http';

/** About one connection, not about the message: never passed on. `Expect` is answered here, as NGINX does. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Set here for the upstream; what the client sent under these names is dropped (of X-Forwarded-For: continued). */
const REPLACED = new Set([...HOP_BY_HOP, 'expect', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto']);

/** Naming these in `Connection` would change what the message is, so it has no effect. */
const NEVER_NAMED = new Set(['host', 'content-length', 'close', 'keep-alive', '']);

function namedByConnection(value: string): Set<string> | null {
  if (value === 'keep-alive' || value === 'close') return null;
  const names = value
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => !NEVER_NAMED.has(name));
  return names.length === 0 ? null : new Set(names);
}

/** The client's address; IPv4 without the prefix that a dual-stack socket gives it. */
function clientAddress(request: IncomingMessage): string {
  const address = request.socket.remoteAddress ?? 'unknown';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

/**
 * The platform's own session cookie. Browsers do not keep the cookies of ports apart, so an app on the same host would
 * be sent it, and could set one.
 */
const PLATFORM_COOKIE = /^\s*avishkar_session\s*(=|;|$)/;

/** What is left of a Cookie header for the app; empty: nothing. */
function withoutPlatformCookie(value: string): string {
  if (!value.includes('avishkar_session')) return value;
  return value
    .split(';')
    .filter((pair) => !PLATFORM_COOKIE.test(pair))
    .join(';')
    .trimStart();
}

/** The headers for the upstream as a flat list of names and values, in the client's order and spelling. */
export function requestHeaders(request: IncomingMessage): string[] {
  const raw = request.rawHeaders;
  const connection = request.headers.connection;
  const named = connection === undefined ? null : namedByConnection(connection);
  const headers: string[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? '';
    const lower = name.toLowerCase();
    if (REPLACED.has(lower) || named?.has(lower)) continue;
    const value = raw[index + 1] ?? '';
    if (lower !== 'cookie') {
      headers.push(name, value);
      continue;
    }
    const cookies = withoutPlatformCookie(value);
    if (cookies !== '') headers.push(name, cookies);
  }
  const before = request.headers['x-forwarded-for'];
  const address = clientAddress(request);
  headers.push('X-Forwarded-For', before === undefined ? address : `${String(before)}, ${address}`);
  headers.push('X-Forwarded-Proto', 'http');
  if (request.headers.host !== undefined) headers.push('X-Forwarded-Host', request.headers.host);
  return headers;
}

/** The headers for the client as a flat list, from those of the upstream. `raw`: names and values, bytes or text. */
export function responseHeaders(raw: readonly (Buffer | string)[], status: number): string[] {
  const headers: string[] = [];
  let named: Set<string> | null = null;
  for (let index = 0; index < raw.length; index += 2) {
    const name = text(raw[index]);
    const lower = name.toLowerCase();
    if (lower === 'connection') named = namedByConnection(text(raw[index + 1]));
    if (HOP_BY_HOP.has(lower)) continue;
    // RFC 9110, 8.6: not with 204. Some servers send it all the same, and some clients then wait for bytes.
    if (status === 204 && lower === 'content-length') continue;
    if (lower === 'set-cookie' && PLATFORM_COOKIE.test(text(raw[index + 1]))) continue;
    headers.push(name, text(raw[index + 1]));
  }
  if (named === null) return headers;
  const dropped = named;
  return headers.filter((_, index) => !dropped.has((headers[index - (index % 2)] ?? '').toLowerCase()));
}

function text(value: Buffer | string | undefined): string {
  return typeof value === 'string' ? value : (value?.toString('latin1') ?? '');
}

/** The path and query of a request target, which may be a whole URL (RFC 9112, 3.2.2). Null: not for a server like this. */
export function pathOf(target: string): string | null {
  if (target.startsWith('/')) return target;
  const absolute = /^https?:\/\/[^/?#]*/i.exec(target);
  if (!absolute) return null;
  const rest = target.slice(absolute[0].length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** Whether the request has a body, and how long it says it is. */
export function bodyOf(request: IncomingMessage): { present: boolean; length: number | null } {
  if (request.headers['transfer-encoding'] !== undefined) return { present: true, length: null };
  const declared = request.headers['content-length'];
  if (declared === undefined) return { present: false, length: null };
  const length = Number(declared);
  return { present: length > 0, length };
}
