import { z } from 'zod';
import { messageOf } from '../../domain/errors.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { Machines } from '../../ports/machines.ts';
import type { LoadBalancerTables } from './store.ts';

export interface PruneDeps {
  database: Database<LoadBalancerTables>;
  machines: Machines;
  log: Log;
}

/** Images on the machines that nothing needs any more. */
export function pruneRoutes(app: HttpApp, deps: PruneDeps): void {
  app.post(
    '/images/prune',
    {
      config: { access: 'service' },
      schema: {
        tags: ['instances'],
        summary: 'Removes all images of apps from the machines but those named, and those of registered apps',
        description: 'Repeating it is harmless. Called by the application manager when versions were removed.',
        body: z
          .object({ keep: z.array(z.string().min(1).max(300)).max(100_000) })
          .meta({ example: { keep: ['room-comfort:1.1.0-9c2e41d07b66'] } }),
        response: {
          200: z
            .object({ removed: z.array(z.object({ node: z.string(), image: z.string() })) })
            .meta({ example: { removed: [{ node: 'node1', image: 'room-comfort:1.0.0-3f9a0c12d4e5' }] } }),
        },
      },
    },
    async (request) => {
      const registered = await deps.database.read.selectFrom('apps').select('image').execute();
      const kept = new Set([...request.body.keep, ...registered.map((row) => row.image)]);
      const removed: { node: string; image: string }[] = [];
      for (const { host, runtime } of deps.machines.list()) {
        const node = host.name;
        // What is in use after all, or on a machine that is away, is among what the next removal of a version tidies up.
        const failed = (error: unknown): void =>
          deps.log.warn({ node, reason: messageOf(error) }, 'an image could not be removed');
        const images = await runtime.listImages().catch((error) => {
          failed(error);
          return [];
        });
        for (const image of images) {
          if (kept.has(image)) continue;
          try {
            await runtime.removeImage(image);
            removed.push({ node, image });
            deps.log.info({ node, image }, 'an image that nothing needs was removed');
          } catch (error) {
            failed(error);
          }
        }
      }
      return { removed };
    },
  );
}
