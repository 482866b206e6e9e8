import swaggerUi from '@fastify/swagger-ui';
import type { HttpApp } from '../kernel/http/app.ts';
import { landingPage } from './landing-page.ts';

/** `/docs`, the API for people to read and try, and the page at the address that `up` prints. */
export async function documentation(app: HttpApp): Promise<void> {
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    uiConfig: { docExpansion: 'list', tryItOutEnabled: true, persistAuthorization: true },
    theme: {
      title: 'Avishkar API',
      css: [{ filename: 'topbar.css', content: '.swagger-ui .topbar { display: none; }' }],
    },
  });
  app.get('/', { config: { access: 'open' }, schema: { hide: true } }, async (_request, reply) =>
    reply.type('text/html; charset=utf-8').send(landingPage()),
  );
}
