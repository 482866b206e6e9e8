import type { IncomingMessage } from 'node:http';
import multipart from '@fastify/multipart';
import { z } from 'zod';
import { AvkError } from '../../domain/errors.ts';
import { isName } from '../../domain/names.ts';
import { callerOf, type HttpApp } from '../../kernel/http/app.ts';
import { concerns } from '../../kernel/http/audit.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Catalogue } from './catalogue.ts';
import { VERSION } from './examples.ts';
import type { Versions } from './versions.ts';
import { versionSchema } from './view.ts';

const uploaded = versionSchema.meta({ example: VERSION });
const UPLOAD = {
  type: 'object',
  required: ['file'],
  properties: { file: { type: 'string', format: 'binary', description: 'The zip' } },
  example: { file: 'room-comfort.zip' },
};
const EXAMPLE_APPS = {
  apps: [
    { name: VERSION.name, versions: [{ ...VERSION, uploadedAt: '2026-11-22T07:55:00.000Z', uploadedBy: 'dora' }] },
  ],
};

/** `/api/baseApp/…`: the catalogue. */
export async function appRoutes(
  app: HttpApp,
  {
    catalogue,
    versions,
    limits,
    clock,
  }: { catalogue: Catalogue; versions: Versions; limits: { packedBytes: number }; clock: Clock },
): Promise<void> {
  const tags = ['apps'];
  // One byte more than is allowed reaches the reader, which then says how much that is.
  await app.register(multipart, { limits: { files: 1, fields: 10, fileSize: limits.packedBytes + 1 } });

  app.get(
    '/api/baseApp/getapps/',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'All apps with their versions, newest first',
        description: 'Called by the front end and the CLI.',
        response: {
          200: z
            .object({
              apps: z.array(
                z.object({
                  name: z.string(),
                  versions: z.array(versionSchema.extend({ uploadedAt: z.string(), uploadedBy: z.string() })),
                }),
              ),
            })
            .meta({ example: EXAMPLE_APPS }),
        },
      },
    },
    async () => ({ apps: await catalogue.list() }),
  );

  app.post(
    '/api/baseApp/upload/',
    {
      config: { access: 'developer', describedBody: UPLOAD },
      schema: {
        tags,
        summary: "Uploads a version of an app: multipart, the zip in field 'file'",
        description:
          'The same bytes again answer 200; the same version with other bytes 409. Called by the front end and the CLI.',
        consumes: ['multipart/form-data'],
        response: { 200: uploaded, 201: uploaded },
      },
    },
    async (request, reply) => {
      if (!request.isMultipart()) {
        throw new AvkError('AVK_BAD_REQUEST', "expected multipart/form-data with the zip in field 'file'");
      }
      const part = await request.file();
      if (part?.fieldname !== 'file') {
        throw new AvkError('AVK_BAD_REQUEST', "file: expected the zip in the multipart field 'file'", {
          errors: [{ path: 'file', message: 'expected a zip', received: part?.fieldname ?? 'nothing' }],
        });
      }
      try {
        const { created, app: version } = await catalogue.upload(part.file, callerOf(request).name);
        concerns(request, `${version.name} ${version.version}`);
        return reply.status(created ? 201 : 200).send(version);
      } catch (error) {
        discardRest(request.raw, clock);
        throw error;
      }
    },
  );

  app.delete(
    '/api/baseApp/:name/:version',
    {
      config: { access: 'developer' },
      schema: {
        tags,
        summary: 'Removes a version, with its zip and its images on the machines',
        description:
          'Developers remove what they uploaded themselves, administrators everything. 409 while an instance uses it, or would fall back on it. Called by the front end and the CLI.',
        params: z.object({ name: z.string().max(300), version: z.string().max(300) }),
        response: { 200: z.strictObject({}) },
      },
    },
    async (request) => {
      await versions.remove(request.params.name, request.params.version, callerOf(request));
      return {};
    },
  );

  app.post(
    '/api/baseApp/checkfilename/',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'Whether an app of that name could be uploaded as a new one',
        description: 'Called by the front end before an upload.',
        body: z.strictObject({ name: z.string().max(300).meta({ example: 'room-comfort' }) }),
        response: { 200: z.object({ available: z.boolean() }) },
      },
    },
    async (request) => {
      const name = request.body.name.replace(/\.zip$/i, '');
      return { available: isName(name) && (await catalogue.available(name)) };
    },
  );
}

/** How long a client may go on sending what was refused already. */
const DISCARD_MS = 5000;

/** Reads the rest of a refused upload, so that the client comes to read why, and lets go of one that does not end. */
function discardRest(request: IncomingMessage, clock: Clock): void {
  request.unpipe();
  request.resume();
  const timer = clock.after(DISCARD_MS, () => request.destroy(), { background: true });
  request.on('close', () => timer.cancel());
}
