import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import type { FastifyContextConfig } from 'fastify';
import { createJsonSchemaTransform } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { exampleOf, type JsonSchema } from './examples.ts';
import { problemSchema } from './problem.ts';

/** The chapters of the API, in the order to read them. A route names one of them in `schema.tags`. */
const TAGS: readonly (readonly [name: string, description: string])[] = [
  ['users', 'Signing in and out, and who may: users, roles, passwords.'],
  ['tokens', 'API tokens for programs: limited in what they may do and for how long, shown once.'],
  ['apps', 'The catalogue: uploading apps, their versions and manifests.'],
  ['instances', 'Deployed apps: deploy, watch, scale, upgrade, stop; their logs, events and figures.'],
  ['schedules', 'Instances that live at set times: windows and recurrences in a time zone.'],
  ['sensors', 'Sensors and what they read.'],
  ['nodes', 'The machines: health, history, the best one for the next app.'],
  ['platform', 'The platform as a whole: its services, their health, start and stop, news as they come.'],
  ['audit', 'Who changed what, and when.'],
  ['services', "The platform's own services: which there are, and where they answer."],
  ['registration', 'Apps that are to be served by the load balancer: their public address, and its end.'],
  ['documents', "The load balancer's four documents, in the starting document's shapes."],
  ['builds', 'What building an app printed.'],
  ['health', 'How the health checks of the services went.'],
  ['common', 'What every service answers.'],
];

const STATUS: Record<string, string> = {
  '201': 'Made',
  '202': 'Accepted: the work goes on, and its state tells how',
};

const PROBLEM = {
  type: '/docs/errors#AVK_UNACCEPTABLE',
  title: 'Well formed but unacceptable',
  status: 422,
  code: 'AVK_UNACCEPTABLE',
  detail: 'scale.min: expected min to be at most max',
  errors: [{ path: 'scale.min', message: 'expected min to be at most max', received: '5' }],
};

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Where the schemas do not give them themselves (`.meta({ example })`): of the body, of responses by status. */
    examples?: { body?: unknown; response?: Record<number, unknown> };
    /** The body where it is not one document to validate, as with multipart: for the API document alone. */
    describedBody?: JsonSchema;
  }
}

interface Content {
  [type: string]: { schema?: JsonSchema; example?: unknown };
}
interface Operation {
  tags?: string[];
  requestBody?: { content?: Content };
  responses: Record<string, { description?: string; content?: Content; $ref?: string }>;
}
interface Document {
  tags?: { name: string; description: string }[];
  paths?: Record<string, Record<string, Operation>>;
  components?: { responses?: object };
}

/** The OpenAPI document from the routes' zod schemas, with tags described, errors and examples. */
export function openApi(info: { title: string; version: string; description: string }): FastifyDynamicSwaggerOptions {
  const transform = createJsonSchemaTransform({ skipList: ['/docs', '/docs/*', '/openapi.json'] });
  return {
    openapi: {
      info,
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: (input) => {
      const described = transform(input);
      addRouteParts(described.schema as Described, input.route.config ?? {});
      return described;
    },
    transformObject: (input) => {
      if (!('openapiObject' in input)) throw new Error('expected an OpenAPI document');
      complete(input.openapiObject as Document);
      return input.openapiObject;
    },
  };
}

interface Described {
  body?: JsonSchema;
  response?: Record<string, JsonSchema>;
}

function addRouteParts(schema: Described | undefined, config: FastifyContextConfig): void {
  if (!schema) return;
  const { examples, describedBody } = config;
  if (describedBody) schema.body = { ...describedBody };
  if (schema.body && examples?.body !== undefined) schema.body.example = examples.body;
  for (const [status, example] of Object.entries(examples?.response ?? {})) {
    const response = schema.response?.[status];
    if (response) response.example = example;
  }
}

function complete(document: Document): void {
  const operations = Object.values(document.paths ?? {}).flatMap((path) => Object.values(path));
  for (const operation of operations) {
    for (const [status, response] of Object.entries(operation.responses)) {
      response.description = STATUS[status] ?? 'Done';
    }
    operation.responses.default = { $ref: '#/components/responses/Problem' };
    const contents = [
      operation.requestBody?.content,
      ...Object.values(operation.responses).map(({ content }) => content),
    ];
    for (const content of contents) addExamples(content);
  }
  document.components = { ...document.components, responses: { Problem: problemResponse() } };
  const used = new Set(operations.flatMap(({ tags }) => tags ?? []));
  document.tags = TAGS.filter(([name]) => used.has(name)).map(([name, description]) => ({ name, description }));
}

/** Beside the schema, where readers and tools look for them. */
function addExamples(content: Content | undefined): void {
  for (const media of Object.values(content ?? {})) {
    if (!media.schema || media.example !== undefined) continue;
    const example = exampleOf(media.schema);
    if ('value' in example) media.example = example.value;
  }
}

function problemResponse(): object {
  return {
    description: 'What was wrong (RFC 9457): see docs/errors.md for the codes',
    content: {
      'application/problem+json': {
        schema: z.toJSONSchema(problemSchema, { target: 'openapi-3.0' }),
        example: PROBLEM,
      },
    },
  };
}
