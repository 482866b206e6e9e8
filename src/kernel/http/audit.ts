import type { FastifyRequest } from 'fastify';
import type { Clock } from '../../ports/clock.ts';
import type { AuditTrail } from '../audit-trail.ts';
import type { Principal } from '../auth.ts';
import { acts } from '../scopes.ts';
import type { HttpApp } from './http-app.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What the call is about: an instance, an app, a user, a machine. */
    auditTarget: string | null;
    /** The path as it was called, once what is in it has been looked at. */
    auditPath: string | null;
    /** True once the call is written down. */
    audited: boolean;
  }
}

/** Fields that name what a call is about. Nothing else of a request is ever written down. */
const NAMES = ['instanceName', 'scheduleId', 'appName', 'username', 'name', 'id'];

/**
 * Writes down every changing call of somebody known: done, refused or failed. Not what services ask of one another on
 * routes of their own, and not calls of strangers, who could flush everything else out of the log.
 */
export function auditCalls(app: HttpApp, trail: AuditTrail, clock: Clock): void {
  app.decorateRequest('auditTarget', null);
  app.decorateRequest('auditPath', null);
  app.decorateRequest('audited', false);
  // After validation: what is taken from the request has the form of a name.
  app.addHook('preHandler', async (request) => {
    request.auditTarget ??= targetOf(request);
    request.auditPath = request.url.split('?')[0] ?? null;
  });
  // Not when the answer has arrived: who leaves before that has acted all the same.
  app.addHook('onSend', async (request, reply) => {
    const { config, url, schema } = request.routeOptions;
    if (!url || request.audited || !acts(request.method, url, config)) return;
    const { principal } = request;
    if (!principal && !config.identifies) return;
    if (principal?.kind === 'service' && !request.legacy && config.access === 'service') return;
    request.audited = true;
    trail.record({
      at: clock.now(),
      actor: actorOf(principal),
      action: (schema as { summary?: string } | undefined)?.summary ?? url,
      method: request.method,
      path: request.auditPath ?? url,
      target: request.auditTarget,
      status: reply.statusCode,
      from: request.from,
    });
  });
  app.addHook('onClose', () => trail.flush());
}

/** For what the route alone knows: names what the call is about. */
export function concerns(request: FastifyRequest, target: string): void {
  request.auditTarget = target;
}

function actorOf(principal: Principal | null): string {
  if (principal === null) return 'anonymous';
  if (principal.kind === 'service') return `service ${principal.name}`;
  return principal.token ? `${principal.name} (token ${principal.token.name})` : principal.name;
}

function targetOf(request: FastifyRequest): string | null {
  for (const part of [request.params, request.body, request.query]) {
    if (typeof part !== 'object' || part === null) continue;
    for (const name of NAMES) {
      const value = (part as Record<string, unknown>)[name];
      if (typeof value === 'string' && value !== '') return value.slice(0, 200);
    }
  }
  return null;
}
