import { z } from 'zod';
import { manifestSchema } from './manifest.ts';

/**
 * JSON Schema of app.json as people write it: what is detected or has a default may be left out. Kept in
 * `docs/app.schema.json` for editors; a test keeps the two together.
 */
export function appJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(manifestSchema, { io: 'input' });
  const properties = schema.properties as Record<string, unknown>;
  return {
    ...schema,
    title: 'app.json of an Avishkar app',
    required: ['name', 'version'],
    properties: { $schema: { type: 'string' }, ...properties },
  };
}
