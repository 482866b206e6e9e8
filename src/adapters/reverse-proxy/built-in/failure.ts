import type { Route } from '../../../ports/reverse-proxy.ts';
import type { Problem } from './error-page.ts';
import { BodyTooLarge } from './request-body.ts';
import type { Target } from './upstream-set.ts';

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** True when the request itself cannot be sent by anyone, such as a header that HTTP does not allow. */
export function isUnsendable(error: unknown): boolean {
  return codeOf(error) === 'UND_ERR_INVALID_ARG' || codeOf(error) === 'UND_ERR_NOT_SUPPORTED';
}

/** True when the upstream's side closed or reset the connection. */
export function isLostConnection(error: unknown): boolean {
  return ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(codeOf(error));
}

/** What to tell the client of a route without upstreams. */
export function unavailable(route: Route): Problem {
  const detail = `${route.name}: ${route.note === '' ? 'no replica is running' : route.note}`;
  return { status: 503, code: 'AVK_SERVICE_UNAVAILABLE', detail };
}

/** What to tell the client. `app`: the route's name; `seconds`: the limit for the first byte of an answer. */
export function problemOf(app: string, target: Target, error: unknown, seconds: number): Problem {
  if (error instanceof BodyTooLarge) return { status: 413, code: 'AVK_TOO_LARGE', detail: `${app}: ${error.message}` };
  if (isUnsendable(error)) {
    return { status: 400, code: 'AVK_BAD_REQUEST', detail: `${app}: the request cannot be passed on` };
  }
  const code = codeOf(error);
  if (code === 'UND_ERR_HEADERS_TIMEOUT') {
    const detail = `${app}: ${target.address} did not answer within ${seconds} s`;
    return { status: 504, code: 'AVK_DEADLINE', detail };
  }
  return { status: 502, code: 'AVK_SERVICE_UNAVAILABLE', detail: `${app}: ${reasonOf(code, target.address)}` };
}

function reasonOf(code: string, address: string): string {
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens on ${address}`;
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return `${address} did not accept a connection in time`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
      return `there is no way to ${address} (${code})`;
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
      return `${address} closed the connection without an answer`;
    default:
      return code === '' || code.startsWith('HPE_') || code.startsWith('UND_ERR_')
        ? `${address} gave an answer that is not HTTP`
        : `${address} failed (${code})`;
  }
}
