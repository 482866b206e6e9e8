import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import swagger from '@fastify/swagger';
import { type FastifyBaseLogger, type FastifyInstance, fastify, type RawServerDefault } from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { AvkError } from '../../domain/errors.ts';
import type { Log } from '../../ports/log.ts';
import { type Access, allows, type Principal, type Tokens } from '../auth.ts';
import type { Metrics } from '../metrics.ts';
import { measureRequests } from './measure.ts';
import { openApi } from './openapi.ts';
import { problemOf, sendProblem } from './problem.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may use the route. Every route says it. */
    access?: Access;
  }
  interface FastifyRequest {
    principal: Principal | null;
  }
  interface FastifyInstance {
    /** Answers without an end: a server that closes ends them instead of waiting. */
    openStreams: Set<{ destroy(): unknown }>;
    /** Which service this is. */
    serviceName: string;
  }
}

export type HttpApp = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export interface HttpAppOptions {
  /** As `/home` calls it. */
  title: string;
  /** The platform's version, for the OpenAPI document. */
  version: string;
  description: string;
  tokens: Tokens;
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
  app.decorateRequest('principal', null);
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
    if (problem.status >= 500) {
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

  app.addHook('onRoute', (route) => {
    // Added by plugins: preflight requests, documentation.
    if (route.method === 'OPTIONS' || route.url.startsWith('/docs')) return;
    if (!route.config?.access) throw new Error(`${String(route.method)} ${route.url} does not say who may use it`);
    if (route.config.access === 'open' && route.schema) route.schema = { ...route.schema, security: [] };
  });
  await app.register(helmet, {
    contentSecurityPolicy: { directives: { 'upgrade-insecure-requests': null } },
    // The platform speaks plain HTTP by default; telling browsers otherwise would lock people out.
    strictTransportSecurity: false,
    crossOriginResourcePolicy: { policy: 'cross-origin' },
  });
  await app.register(cors, { origin: '*', credentials: false, methods: ['GET', 'POST', 'PATCH', 'DELETE'] });
  // After CORS and the security headers: a refusal has them, too.
  app.addHook('onRequest', async (request) => {
    const access = request.routeOptions.config.access ?? 'open';
    // Not even looked at: who shows an expired token must still be able to sign in again.
    if (access === 'open') return;
    const header = request.headers.authorization;
    if (header) request.principal = await options.tokens.verify(bearer(header));
    if (!request.principal)
      throw new AvkError('AVK_UNAUTHENTICATED', 'this needs a token: Authorization: Bearer TOKEN');
    if (!allows(access, request.principal)) {
      throw new AvkError('AVK_FORBIDDEN', `this needs the role ${access === 'service' ? 'admin' : access}`);
    }
  });

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
      config: { access: 'admin' },
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
