import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import cookie from '@fastify/cookie';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import swagger from '@fastify/swagger';
import { fastify } from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { AvkError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { AuditTrail } from '../audit-trail.ts';
import type { Tokens } from '../auth.ts';
import type { Identity } from '../identity.ts';
import type { Metrics } from '../metrics.ts';
import { auditCalls } from './audit.ts';
import { guard } from './guard.ts';
import type { HttpApp } from './http-app.ts';
import { measureRequests } from './measure.ts';
import { openApi } from './openapi.ts';
import { problemOf, sendProblem } from './problem.ts';

export { callerOf } from './guard.ts';
export type { HttpApp } from './http-app.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Answers without an end: a server that closes ends them instead of waiting. */
    openStreams: Set<{ destroy(): unknown }>;
    /** Which service this is. */
    serviceName: string;
  }
}

export interface HttpAppOptions {
  /** As `/home` calls it. */
  title: string;
  /** The platform's version, for the OpenAPI document. */
  version: string;
  description: string;
  tokens: Tokens;
  /** Who shows which token; default: what the signature says. */
  identity?: Identity;
  /** Whether routes below /api/ take the front end's session cookie. Default no. */
  acceptsCookie?: boolean;
  /** Whether an address may use the starting document's routes without a token. Default none. */
  legacyFrom?: (address: string) => boolean;
  /** Where changing calls are written down. Default nowhere. */
  audit?: { trail: AuditTrail; clock: Clock };
  log: Log;
  /** The service's last log lines, oldest first. */
  recentLogLines: () => string[];
  metrics: Metrics;
  /** The label of its figures; default the title. */
  service?: string;
  /** Largest JSON body in bytes. Default 1 MiB. */
  bodyLimit?: number;
}

const GET_LOGS_LINES = 10;
const TEXT = ['text/plain'];
const EXAMPLE_LOGS =
  '{"level":30,"time":"2026-11-22T08:00:00.000Z","service":"load-balancer","msg":"an app is gone"}\n';
const EXAMPLE_METRICS = '# TYPE avishkar_instances gauge\navishkar_instances{state="running"} 1\n';

/**
 * What every service's HTTP has: validation by zod, problem+json, tokens and roles, OpenAPI, CORS `*` without
 * credentials, security headers, and the routes that the starting document has in every module.
 */
export async function createHttpApp(options: HttpAppOptions): Promise<HttpApp> {
  const app = fastify({
    bodyLimit: options.bodyLimit ?? 1_048_576,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 300 },
    // Answers to requests that come while the service stops are whole answers, on connections that then close.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
  }).withTypeProvider<ZodTypeProvider>() as unknown as HttpApp;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.decorate('openStreams', new Set<{ destroy(): unknown }>());
  const service = options.service ?? options.title;
  app.decorate('serviceName', service);
  app.addHook('onResponse', measureRequests(options.metrics, service));
  const unused = trackUnusedConnections(app.server);
  app.addHook('preClose', async () => {
    for (const stream of app.openStreams) stream.destroy();
    for (const socket of unused) socket.destroy();
  });

  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error, request);
    // Whoever asked has gone, and nobody reads this.
    const gone = error instanceof Error && error.name === 'AbortError' && request.raw.destroyed;
    if (problem.status >= 500 && !gone) {
      options.log.error({ method: request.method, url: request.url, err: error }, `request failed: ${problem.detail}`);
    }
    return sendProblem(reply, problem);
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(
      reply,
      problemOf(new AvkError('AVK_NOT_FOUND', `there is no ${request.method} ${request.url.split('?')[0]}`)),
    ),
  );

  await app.register(helmet, {
    contentSecurityPolicy: { directives: { 'upgrade-insecure-requests': null } },
    // The platform speaks plain HTTP by default; telling browsers otherwise would lock people out.
    strictTransportSecurity: false,
    crossOriginResourcePolicy: { policy: 'cross-origin' },
  });
  await app.register(cors, { origin: '*', credentials: false, methods: ['GET', 'POST', 'PATCH', 'DELETE'] });
  if (options.acceptsCookie) await app.register(cookie);
  // After CORS and the security headers: a refusal has them, too.
  guard(app, {
    identity: options.identity ?? { identify: options.tokens.verify },
    acceptsCookie: options.acceptsCookie ?? false,
    legacyFrom: options.legacyFrom ?? (() => false),
  });
  if (options.audit) auditCalls(app, options.audit.trail, options.audit.clock);

  const { title, version, description } = options;
  await app.register(swagger, openApi({ title: `Avishkar ${title}`, version, description }));
  commonRoutes(app, options);
  return app;
}

/**
 * Connections without a request so far: browsers open them in advance. To node they are not idle, so a server that
 * closes would wait for their first request until its time is over, a minute.
 */
function trackUnusedConnections(server: Server): Set<Socket> {
  const unused = new Set<Socket>();
  server.on('connection', (socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  server.on('request', (request) => unused.delete(request.socket));
  return unused;
}

function commonRoutes(app: HttpApp, options: HttpAppOptions): void {
  const tags = ['common'];
  app.get(
    '/home',
    {
      config: { access: 'open' },
      schema: {
        tags,
        summary: 'Says who this is',
        description: "Called by people who look what answers at a port, and by the starting document's programs.",
        produces: TEXT,
        response: { 200: z.string().meta({ example: `Hi, this is ${options.title}` }) },
      },
    },
    async (_request, reply) => reply.type('text/plain').send(`Hi, this is ${options.title}`),
  );
  app.get(
    '/health',
    {
      config: { access: 'open' },
      schema: {
        tags,
        summary: 'Answers Ok while it works',
        description: "Called by the fault monitor, by operators' monitoring and by the starting document's programs.",
        produces: TEXT,
        response: { 200: z.string().meta({ example: 'Ok' }) },
      },
    },
    async (_request, reply) => reply.type('text/plain').send('Ok'),
  );
  app.get(
    '/get_logs',
    {
      config: { access: 'admin', legacy: true },
      schema: {
        tags,
        summary: 'The last ten log lines',
        description: "Called by operators and by the starting document's programs.",
        response: { 200: z.object({ logs: z.string().meta({ example: EXAMPLE_LOGS }) }) },
      },
    },
    async () => ({
      logs: options
        .recentLogLines()
        .slice(-GET_LOGS_LINES)
        .map((line) => `${line}\n`)
        .join(''),
    }),
  );
  app.get(
    '/metrics',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Figures in the text format of Prometheus',
        description: "Of the whole process; docs/metrics.md explains each. Called by operators' Prometheus.",
        produces: TEXT,
        response: { 200: z.string().meta({ example: EXAMPLE_METRICS }) },
      },
    },
    async (_request, reply) => reply.type(options.metrics.contentType).send(await options.metrics.metrics()),
  );
  app.get('/openapi.json', { config: { access: 'open' }, schema: { hide: true } }, async () => app.swagger());
}
