import '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AvkError } from '../../domain/errors.ts';
import { API_TOKEN_PREFIX } from '../identity.ts';

/*
 * The front end's session: a cookie that scripts cannot read, for the application manager's /api/ alone. Browsers do not
 * keep the cookies of ports apart, so an app on the same host is the same site: SameSite does not stop its pages. What
 * does: changing requests need a header that other origins cannot set without being asked first, and a browser that says
 * where a request comes from must say that it comes from the front end itself.
 */

export const SESSION_COOKIE = 'avishkar_session';
const CSRF_HEADER = 'x-avishkar-csrf';
const PATH = '/api';

/**
 * The token in a request's cookie, or null where cookies do not count.
 *
 * @throws AvkError AVK_FORBIDDEN for a request that a page of somebody else may have caused
 */
export function sessionOf(request: FastifyRequest): string | null {
  if (!request.routeOptions.url?.startsWith(`${PATH}/`)) return null;
  const value = request.cookies[SESSION_COOKIE];
  // API tokens are for programs: a cookie holds a sign-in or nothing.
  if (!value || value.startsWith(API_TOKEN_PREFIX)) return null;
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') {
    throw new AvkError('AVK_FORBIDDEN', 'the session cookie counts only for pages of the platform itself');
  }
  if (!['GET', 'HEAD'].includes(request.method) && request.headers[CSRF_HEADER] !== '1') {
    throw new AvkError(
      'AVK_FORBIDDEN',
      'a changing request with the session cookie needs the header X-Avishkar-CSRF: 1',
    );
  }
  return value;
}

/** @param seconds how long the browser keeps it */
export function setSessionCookie(request: FastifyRequest, reply: FastifyReply, token: string, seconds: number): void {
  reply.setCookie(SESSION_COOKIE, token, { ...attributes(request), maxAge: seconds });
}

export function clearSessionCookie(request: FastifyRequest, reply: FastifyReply): void {
  reply.clearCookie(SESSION_COOKIE, attributes(request));
}

function attributes(request: FastifyRequest) {
  // Behind a proxy that ends TLS. Whoever lies here can only lose a cookie of their own.
  const secure = request.protocol === 'https' || request.headers['x-forwarded-proto'] === 'https';
  return { path: PATH, httpOnly: true, sameSite: 'strict' as const, secure };
}
