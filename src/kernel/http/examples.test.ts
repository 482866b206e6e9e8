import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { exampleOf, type JsonSchema } from './examples.ts';

const of = (schema: z.ZodType) =>
  exampleOf(z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' }) as JsonSchema);

test('a schema’s own example counts before those of its parts', () => {
  const part = z.object({ name: z.string().meta({ example: 'a' }) });
  assert.deepEqual(of(part), { value: { name: 'a' } });
  assert.deepEqual(of(part.meta({ example: { name: 'b' } })), { value: { name: 'b' } });
});

test('examples are put together from parts, defaults, constants and choices', () => {
  const schema = z.object({
    name: z.string().meta({ example: 'a' }),
    state: z.enum(['up', 'down']),
    kind: z.literal('x'),
    size: z.number().default(3),
    on: z.boolean(),
    at: z.iso.datetime(),
    list: z.array(z.object({ n: z.int().meta({ example: 1 }) })),
    maybe: z.string().meta({ example: 'm' }).nullable(),
    point: z.tuple([z.number().meta({ example: 1 }), z.number().meta({ example: 2 })]).meta({ example: [1, 2] }),
    rest: z.record(z.string(), z.string()),
    optional: z.string().optional(),
  });
  assert.deepEqual(of(schema), {
    value: {
      name: 'a',
      state: 'up',
      kind: 'x',
      size: 3,
      on: true,
      at: '2026-11-22T08:00:00.000Z',
      list: [{ n: 1 }],
      maybe: 'm',
      point: [1, 2],
      rest: {},
    },
  });
});

test('what has no example is named by its path', () => {
  assert.deepEqual(of(z.string()), { missing: [''] });
  const schema = z.object({
    known: z.string().meta({ example: 'a' }),
    list: z.array(z.object({ name: z.string(), size: z.number() })),
    either: z.union([z.string(), z.number()]),
  });
  assert.deepEqual(of(schema), { missing: ['list.0.name', 'list.0.size', 'either'] });
  assert.deepEqual(of(z.union([z.string(), z.number().meta({ example: 5 })])), { value: 5 });
});
