import { PassThrough } from 'node:stream';
import { z } from 'zod';
import { nameSchema } from '../../domain/names.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import { NDJSON, ndjson } from '../../kernel/http/stream.ts';
import type { BuildLogs } from './build-logs.ts';

const EXAMPLE_LINE = `{"ts":"2026-11-22T08:00:01.250Z","replica":"","stream":"build","line":"added 12 packages in 2s"}\n`;

export function routes(app: HttpApp, builds: BuildLogs): void {
  app.post(
    '/builds/prune',
    {
      config: { access: 'service' },
      schema: {
        tags: ['builds'],
        summary: 'Forgets what the builds of all images printed but those named',
        description: 'Repeating it is harmless. Called by the application manager when versions were removed.',
        body: z
          .object({ keep: z.array(z.string().min(1).max(300)).max(100_000) })
          .meta({ example: { keep: ['room-comfort:1.0.0-3f9a0c12d4e5'] } }),
        response: { 200: z.strictObject({}) },
      },
    },
    async (request) => {
      await builds.prune(new Set(request.body.keep));
      return {};
    },
  );

  app.get(
    '/builds/:name/log',
    {
      config: { access: 'service' },
      schema: {
        tags: ['builds'],
        summary: "The newest build's log as newline-delimited JSON",
        description: 'Called by the application manager. With `follow` it goes on until the build ends.',
        params: z.object({ name: nameSchema }),
        querystring: z.object({
          tail: z.coerce.number().int().min(0).max(2000).default(2000),
          follow: z.stringbool().default(false),
        }),
        produces: [NDJSON],
        response: { 200: z.string().meta({ example: EXAMPLE_LINE }) },
      },
    },
    async (request, reply) => {
      const { name } = request.params;
      const stream = new PassThrough();
      const push = (line: unknown): void => void stream.write(`${JSON.stringify(line)}\n`);
      const end = (): void => void stream.end();
      for (const line of (await builds.read(name)).slice(-request.query.tail)) push(line);
      if (request.query.follow) {
        const stop = builds.follow(name, push, end);
        stream.on('close', stop);
        request.raw.on('close', () => stream.destroy());
      } else end();
      return ndjson(reply, stream) as never;
    },
  );
}
