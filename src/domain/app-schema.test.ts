import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { appJsonSchema } from './app-schema.ts';

const FILE = new URL('../../docs/app.schema.json', import.meta.url);

test('docs/app.schema.json is what the manifest says (AVISHKAR_WRITE=1 npm test -- app-schema writes it)', () => {
  const text = `${JSON.stringify(appJsonSchema(), null, 2)}\n`;
  if (process.env.AVISHKAR_WRITE) writeFileSync(FILE, text);
  assert.equal(readFileSync(FILE, 'utf8'), text);
});

test('only name and version are required, and no unknown field is let in', () => {
  const schema = appJsonSchema();
  assert.deepEqual(schema.required, ['name', 'version']);
  assert.equal(schema.additionalProperties, false);
});
