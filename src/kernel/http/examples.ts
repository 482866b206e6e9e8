/** What of a JSON schema matters for examples. */
export interface JsonSchema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  example?: unknown;
  examples?: unknown;
  default?: unknown;
  const?: unknown;
  enum?: unknown[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema | JsonSchema[] | false;
  prefixItems?: JsonSchema[];
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
}

/** An example, or the dotted paths of what has none. */
export type Example = { value: unknown } | { missing: string[] };

/**
 * The example that a schema gives itself (`.meta({ example })`), or one put together from those of its parts. Defaults,
 * constants and the first of several choices count; text and numbers need one of their own.
 */
export function exampleOf(schema: JsonSchema): Example {
  for (const key of ['example', 'const', 'default'] as const) {
    if (schema[key] !== undefined) return { value: schema[key] };
  }
  if (Array.isArray(schema.examples)) return { value: schema.examples[0] };
  if (schema.enum) return { value: schema.enum[0] };
  if (schema.allOf)
    return all(
      schema.allOf.map((part) => ['', part]),
      (parts) => Object.assign({}, ...parts),
    );
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return firstOf(choices);
  if (schema.properties) return objectExample(schema.properties, schema.required ?? []);
  const tuple = schema.prefixItems ?? (Array.isArray(schema.items) ? schema.items : undefined);
  if (tuple)
    return all(
      tuple.map((part, index) => [String(index), part]),
      (parts) => parts,
    );
  if (schema.items && !Array.isArray(schema.items)) return all([['0', schema.items]], (parts) => parts);
  if (schema.type === 'boolean') return { value: true };
  if (schema.type === 'object') return { value: {} };
  if (schema.format === 'date-time') return { value: '2026-11-22T08:00:00.000Z' };
  return { missing: [''] };
}

function objectExample(properties: Record<string, JsonSchema>, required: readonly string[]): Example {
  // What may be left out and has no example is left out.
  const entries = Object.entries(properties).filter(
    ([key, part]) => required.includes(key) || 'value' in exampleOf(part),
  );
  return all(entries, (values) => Object.fromEntries(entries.map(([key], index) => [key, values[index]])));
}

function firstOf(choices: readonly JsonSchema[]): Example {
  const examples = choices.map(exampleOf);
  return examples.find((example) => 'value' in example) ?? examples[0] ?? { missing: [''] };
}

function all(parts: readonly (readonly [path: string, JsonSchema])[], join: (values: unknown[]) => unknown): Example {
  const values: unknown[] = [];
  const missing: string[] = [];
  for (const [path, part] of parts) {
    const example = exampleOf(part);
    if ('value' in example) values.push(example.value);
    else missing.push(...example.missing.map((inner) => [path, inner].filter(Boolean).join('.')));
  }
  return missing.length > 0 ? { missing } : { value: join(values) };
}
