import type { FastifyReply, FastifyRequest } from 'fastify';
import { AvkError } from '../../domain/errors.ts';
import { type Access, allows, type Principal } from '../auth.ts';
import type { Identity } from '../identity.ts';
import { type RouteMarks, scopeNeed, scopesAllow } from '../scopes.ts';
import type { HttpApp } from './http-app.ts';
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
    /** The caller's address as it was when the request came: a connection that was closed since has none any more. */
    from: string;
    /** Whether who asked is still let in, as what they were: for answers without an end. */
    goesOn: () => Promise<boolean>;
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
  app.decorateRequest('from', '');
  app.decorateRequest('legacy', false);
  app.decorateRequest('goesOn', async () => true);

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
    request.from = request.socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/i, '') ?? 'unknown';
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
  if (header) return known(request, identity, bearer(header));
  const session = acceptsCookie ? sessionOf(request) : null;
  if (session !== null) {
    try {
      return await known(request, identity, session);
    } catch (error) {
      // A cookie that is no good any more would be sent with every further request.
      if (error instanceof AvkError && error.code === 'AVK_UNAUTHENTICATED') clearSessionCookie(request, reply);
      throw error;
    }
  }
  if (request.routeOptions.config.legacy && legacyFrom(request.from)) {
    request.legacy = true;
    return { kind: 'service', name: 'legacy client' };
  }
  return null;
}

async function known(request: FastifyRequest, identity: Identity, shown: string): Promise<Principal> {
  const principal = await identity.identify(shown);
  request.goesOn = async () => {
    try {
      const now = await identity.identify(shown);
      return now.kind === 'service' || (principal.kind === 'user' && now.role === principal.role);
    } catch (error) {
      // Not known at the moment is not refused.
      return !(error instanceof AvkError && error.code === 'AVK_UNAUTHENTICATED');
    }
  };
  return principal;
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
