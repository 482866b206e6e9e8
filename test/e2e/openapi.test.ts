import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { exampleOf, type JsonSchema } from '../../src/kernel/http/examples.ts';
import { type Api, signIn } from '../support/api.ts';
import { operationName, recordOperations } from '../support/operations.ts';
import { type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';

type Content = Record<string, { schema?: JsonSchema; example?: unknown }>;
interface Operation {
  summary?: string;
  description?: string;
  tags?: string[];
  requestBody?: { content: Content };
  responses: Record<string, { $ref?: string; content?: Content }>;
}
interface OpenApi {
  info: { title: string; description: string };
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, Operation>>;
}
interface Described {
  service: string;
  document: OpenApi;
  operations: { name: string; operation: Operation }[];
}

describe('the OpenAPI documents', () => {
  let home: Home;
  let platform: TestPlatform;
  let services: Described[];

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home });
    const admin: Api = await signIn(platform.url);
    const status = await admin.get<{ services: { name: string; address: string }[] }>('/api/platform/status/');
    services = await Promise.all(
      status.services.map(async ({ name, address }) => {
        const document = (await (await fetch(`http://${address}/openapi.json`)).json()) as OpenApi;
        const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
          Object.entries(methods).map(([method, operation]) => ({
            name: operationName(name, method, path),
            operation,
          })),
        );
        return { service: name, document, operations };
      }),
    );
    for (const { operations } of services) recordOperations(operations.map(({ name }) => name));
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    home.remove();
  });

  /** What is wrong with the operations, one line each. */
  function complaints(find: (operation: Operation, described: Described) => string[]): string {
    return services
      .flatMap((described) =>
        described.operations.flatMap(({ name, operation }) =>
          find(operation, described).map((what) => `${name}: ${what}`),
        ),
      )
      .join('\n');
  }

  test('every service has one, with the routes that all have', () => {
    assert.ok(services.length >= 5);
    for (const { service, document, operations } of services) {
      assert.ok(document.info.description, `${service} does not say what it is`);
      for (const path of ['/home', '/health', '/get_logs', '/metrics']) {
        assert.ok(
          operations.some(({ name }) => name === `${service} GET ${path}`),
          `${service} ${path}`,
        );
      }
    }
  });

  test('every operation has a summary, says who calls it, and what it answers', () => {
    const problems = complaints(({ summary, description, responses }) => {
      const success = Object.entries(responses).filter(([status]) => /^2\d\d$/.test(status));
      return [
        ...(summary ? [] : ['no summary']),
        ...(description?.includes('Called by') ? [] : ["the description does not say 'Called by …'"]),
        ...(success.length > 0 ? [] : ['no response of a success']),
        ...success.flatMap(([status, { content }]) =>
          Object.values(content ?? {}).some(({ schema }) => schema) ? [] : [`response ${status} has no schema`],
        ),
        ...(responses.default?.$ref === '#/components/responses/Problem' ? [] : ['errors are not described']),
      ];
    });
    assert.ok(problems === '', `\n${problems}`);
  });

  test('every request body and every response has an example', () => {
    const missing = (what: string, content: Content | undefined): string[] =>
      Object.entries(content ?? {}).flatMap(([type, { schema, example }]) => {
        if (example !== undefined) return [];
        const parts = schema ? exampleOf(schema) : { missing: [''] };
        const where = 'missing' in parts ? parts.missing.map((path) => path || 'the whole').join(', ') : '';
        return [`${what} (${type}) has no example; give one by .meta({ example }) to: ${where}`];
      });
    const problems = complaints(({ requestBody, responses }) => [
      ...missing('the request body', requestBody?.content),
      ...Object.entries(responses).flatMap(([status, { content }]) => missing(`response ${status}`, content)),
    ]);
    assert.ok(problems === '', `\n${problems}`);
  });

  test('every example is one that its schema accepts', () => {
    const wrong = (what: string, content: Content | undefined): string[] =>
      Object.values(content ?? {}).flatMap(({ schema, example }) => {
        if (!schema || example === undefined) return [];
        const json = schema as Parameters<typeof z.fromJSONSchema>[0];
        const parsed = z.fromJSONSchema(json, { defaultTarget: 'openapi-3.0' }).safeParse(example);
        return parsed.success ? [] : [`${what}: ${z.prettifyError(parsed.error)}`];
      });
    const problems = complaints(({ requestBody, responses }) => [
      ...wrong('the request body', requestBody?.content),
      ...Object.entries(responses).flatMap(([status, { content }]) => wrong(`response ${status}`, content)),
    ]);
    assert.ok(problems === '', `\n${problems}`);
  });

  test('an upload is described as the form that it is', () => {
    const upload = services
      .flatMap(({ operations }) => operations)
      .find(({ name }) => name === 'application-manager POST /api/baseApp/upload/');
    const { schema } = upload?.operation.requestBody?.content['multipart/form-data'] ?? {};
    assert.equal(schema?.properties?.file?.format, 'binary');
  });

  test('chapters are described, in an order to read them in, and every operation is in one', () => {
    const problems = complaints(({ tags }, { document }) => {
      const known = document.tags.map(({ name }) => name);
      if (tags?.length !== 1) return [`expected one tag, got ${JSON.stringify(tags)}`];
      return known.includes(tags[0] ?? '') ? [] : [`tag ${tags[0]} is not described in kernel/http/openapi.ts`];
    });
    assert.ok(problems === '', `\n${problems}`);
    const door = services.find(({ service }) => service === 'application-manager');
    const tags = door?.document.tags.map(({ name }) => name) ?? [];
    assert.deepEqual([tags.indexOf('users') < tags.indexOf('apps'), tags.at(-1)], [true, 'common']);
    for (const { description } of door?.document.tags ?? []) assert.match(description, /^[A-Z].*\.$/);
  });

  test('it can be read as a page', async () => {
    const page = await fetch(`${platform.url}/docs`);
    assert.deepEqual([page.status, page.headers.get('content-type')], [200, 'text/html; charset=utf-8']);
    const document = (await (await fetch(`${platform.url}/docs/json`)).json()) as OpenApi;
    assert.deepEqual(document.tags, services.find(({ service }) => service === 'application-manager')?.document.tags);
  });
});
