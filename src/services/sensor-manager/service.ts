import type { HttpApp } from '../../kernel/http/app.ts';
import type { Service } from '../../kernel/service.ts';

/*
 * The sensor manager will own sensors, their readings and the bindings of instances to them. So far it has the routes
 * that every module has, so that it is started, registered and watched like the others.
 */

export function createSensorManager({ http }: { http: HttpApp }): Service {
  return {
    name: 'sensor-manager',
    http,
    async start() {
      // Nothing runs on its own yet.
    },
    async stop() {
      // Nothing runs on its own yet.
    },
  };
}
