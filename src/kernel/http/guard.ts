import type { FastifyReply, FastifyRequest } from 'fastify';
import { AvkError } from '../../domain/errors.ts';
import { type Access, allows, type Principal } from '../auth.ts';
import type { Identity } from '../identity.ts';
import { type RouteMarks, scopeNeed, scopesAllow } from '../scopes.ts';
import type { HttpApp } from './app.ts';
import { clearSessionCookie, sessionOf } from './session-cookie.ts';

declare module 'fastify' {
  interface FastifyContextConfig extends RouteMarks {
    /** Who may use the route. Every route says it. */
    access?: Access;
    /** On an open route: who shows a token is known all the same, and a bad one is refused. */
    identifies?: boolean;
    /** One of the starting document's own routes: open to the addresses in `legacy.allowFrom`. */
    legacy?: boolean;
  }
  interface FastifyRequest {
    principal: Principal | null;
    /** True for a program of the starting document's, let in by its address. */
    legacy: boolean;
  }
}

export interface GuardOptions {
  identity: Identity;
  /** Whether routes below /api/ take the front end's cookie. */
  acceptsCookie: boolean;
  /** Whether an address is in `legacy.allowFrom`. */
  legacyFrom: (address: string) => boolean;
}

/** Who asks, and whether they may: every request passes here before anything else of it is looked at. */
export function guard(app: HttpApp, options: GuardOptions): void {
  app.decorateRequest('principal', null);
  app.decorateRequest('legacy', false);

  app.addHook('onRoute', (route) => {
    // Added by plugins: preflight requests, documentation.
    if (route.method === 'OPTIONS' || route.url.startsWith('/docs')) return;
    const what = `${String(route.method)} ${route.url}`;
    const config = route.config;
    if (!config?.access) throw new Error(`${what} does not say who may use it`);
    if (config.access === 'open') {
      if (route.schema) route.schema = { ...route.schema, security: [] };
      return;
    }
    for (const method of [route.method].flat()) {
      const need = scopeNeed(method, route.url, config, config.access === 'service');
      if (!need) throw new Error(`${what} is of no scope: name it in kernel/scopes.ts, or set config.scope`);
      // For readers of the OpenAPI document.
      if (route.schema) route.schema = { ...route.schema, ...{ 'x-scope': describe(need) } };
    }
  });

  app.addHook('onRequest', async (request, reply) => {
    const { config } = request.routeOptions;
    const access = config.access ?? 'open';
    // Not even looked at: who shows an expired token must still be able to sign in again.
    if (access === 'open' && !config.identifies) return;
    request.principal = await identify(request, reply, options);
    if (access === 'open') return;
    if (!request.principal) {
      throw new AvkError('AVK_UNAUTHENTICATED', 'this needs a token: Authorization: Bearer TOKEN');
    }
    check(request, access, request.principal);
  });
}

async function identify(
  request: FastifyRequest,
  reply: FastifyReply,
  { identity, acceptsCookie, legacyFrom }: GuardOptions,
): Promise<Principal | null> {
  const header = request.headers.authorization;
  if (header) return identity.identify(bearer(header));
  const session = acceptsCookie ? sessionOf(request) : null;
  if (session !== null) {
    try {
      return await identity.identify(session);
    } catch (error) {
      // A cookie that is no good any more would be sent with every further request.
      if (error instanceof AvkError && error.code === 'AVK_UNAUTHENTICATED') clearSessionCookie(request, reply);
      throw error;
    }
  }
  if (request.routeOptions.config.legacy && legacyFrom(request.ip)) {
    request.legacy = true;
    return { kind: 'service', name: 'legacy client' };
  }
  return null;
}

function check(request: FastifyRequest, access: Access, principal: Principal): void {
  if (!allows(access, principal)) {
    throw new AvkError('AVK_FORBIDDEN', `this needs the role ${access === 'service' ? 'admin' : access}`);
  }
  if (principal.kind === 'service' || !principal.scopes) return;
  const { config, url = '' } = request.routeOptions;
  const need = scopeNeed(request.method, url, config, access === 'service');
  if (!need || !scopesAllow(principal.scopes, need)) {
    throw new AvkError(
      'AVK_FORBIDDEN',
      `this needs a token of the scope ${need ? describe(need).join(' or ') : 'of no limit'}`,
    );
  }
}

function describe({ area, reads }: { area: string; reads: boolean }): string[] {
  return reads && area !== 'any' ? [area, 'read'] : [area];
}

function bearer(header: string): string {
  const match = /^Bearer ([\w.~+/=-]+)$/i.exec(header);
  if (!match?.[1]) throw new AvkError('AVK_UNAUTHENTICATED', 'expected the header Authorization: Bearer TOKEN');
  return match[1];
}

/** The signed-in caller of a route that is not open. */
export function callerOf(request: { principal: Principal | null }): Principal {
  if (!request.principal) throw new AvkError('AVK_UNAUTHENTICATED', 'this needs a token');
  return request.principal;
}
