import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpApp } from '../kernel/http/app.ts';
import { landingPage } from './landing-page.ts';

/** Where `bin/prepare.mjs` builds it. */
const BUILT = join(import.meta.dirname, '../../web/dist');

/** Only the page's own scripts run. Styles may be inline, as the component library sets sizes and positions that way. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The rest belongs to the API and to the documentation: what is unknown there is no page. */
const NO_PAGE = /^\/(api|docs|assets|nodemgr)(\/|$)|^\/openapi\.json$/;

/** As the build names them; nothing that leads elsewhere. */
const ASSET = /^[\w-][\w.-]*\.(js|css|svg|woff2)$/;

/**
 * The front end at `/` and at every address that is one of its pages; its files below `/assets`. While it is not built,
 * a page that says what to type.
 *
 * @param folder where the built front end is
 */
export async function frontEnd(app: HttpApp, folder = BUILT): Promise<void> {
  await app.register(fastifyStatic, { root: folder, serve: false, preCompressed: true, cacheControl: false });
  const open = { config: { access: 'open' as const }, schema: { hide: true } };

  function page(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    reply.header('cache-control', 'no-cache').header('vary', 'accept, accept-encoding');
    if (existsSync(join(folder, 'index.html'))) {
      return reply.header('content-security-policy', CONTENT_SECURITY_POLICY).sendFile('index.html');
    }
    if (request.url.split('?')[0] !== '/') return callNotFound(reply);
    return reply.type('text/html; charset=utf-8').send(landingPage());
  }

  app.get('/', open, async (request, reply) => page(request, reply));
  // The names carry a hash of the content: another content has another name.
  app.get('/assets/:file', open, async (request, reply) => {
    const { file } = request.params as { file: string };
    if (!ASSET.test(file) || !existsSync(join(folder, 'assets', file))) return callNotFound(reply);
    return reply.header('cache-control', 'public, max-age=31536000, immutable').sendFile(join('assets', file));
  });
  for (const file of ['favicon.svg', 'color-scheme.js']) {
    app.get(`/${file}`, open, async (_request, reply) => {
      if (!existsSync(join(folder, file))) return callNotFound(reply);
      return reply.header('cache-control', 'no-cache').sendFile(file);
    });
  }
  app.get('/*', open, async (request, reply) => {
    const [path = '/'] = request.url.split('?');
    const wantsPage = (request.headers.accept ?? '').includes('text/html');
    return wantsPage && !NO_PAGE.test(path) ? page(request, reply) : callNotFound(reply);
  });
}

function callNotFound(reply: FastifyReply): FastifyReply {
  reply.removeHeader('cache-control');
  reply.callNotFound();
  return reply;
}
