import swaggerUi from '@fastify/swagger-ui';
import type { HttpApp } from '../kernel/http/app.ts';

/** `/docs`, the API for people to read and try. */
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
}
