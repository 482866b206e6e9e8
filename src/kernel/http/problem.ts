import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { AvkError, ERRORS, type ErrorCode, type FieldError } from '../../domain/errors.ts';

/** RFC 9457, with our stable code and the fields at fault. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  code: z.string(),
  detail: z.string(),
  errors: z.array(z.object({ path: z.string(), message: z.string(), received: z.string().optional() })),
  lastLogLines: z.array(z.string()).optional(),
  /** As in the header Retry-After, for who reads the body alone. */
  retryAfterSeconds: z.number().optional(),
});
export type Problem = z.infer<typeof problemSchema>;

const RECEIVED_LENGTH = 100;
/** Values of fields with such names are never repeated in an error. */
const SECRET_FIELD = /password|token|secret|config/i;

type Input = Pick<FastifyRequest, 'body' | 'query' | 'params'>;

/** Any thrown value as a problem. What is not meant for the caller stays out of it. */
export function problemOf(error: unknown, input?: Input): Problem {
  if (error instanceof AvkError) {
    const { code, message, errors, lastLogLines, retryAfterSeconds } = error;
    const problem = build(code, message, errors, lastLogLines);
    return retryAfterSeconds === null ? problem : { ...problem, retryAfterSeconds };
  }
  if (hasZodFastifySchemaValidationErrors(error)) return validationProblem(error, input);
  const status = (error as Partial<FastifyError>).statusCode ?? 500;
  const message = error instanceof Error ? error.message : String(error);
  if (status === 413) return build('AVK_TOO_LARGE', `the request body is too large: ${message}`);
  if (status === 429) return build('AVK_TOO_MANY_REQUESTS', message);
  if (status === 507) return build('AVK_DISK_FULL', message);
  if (status >= 400 && status < 500) return { ...build('AVK_BAD_REQUEST', message), status };
  return build('AVK_INTERNAL', 'something went wrong inside the platform; its log says more');
}

function validationProblem(
  error: FastifyError & { validation: unknown[]; validationContext?: string },
  input: Input | undefined,
): Problem {
  const issues = error.validation as { instancePath: string; message?: string }[];
  const given: Record<string, unknown> = {
    body: input?.body,
    querystring: input?.query,
    params: input?.params,
  };
  const context = given[error.validationContext ?? 'body'];
  const errors = issues.map((issue): FieldError => {
    const keys = issue.instancePath.split('/').filter((key) => key !== '');
    const path = keys.join('.');
    // The whole of what was given may hold a password; the message names the key.
    const received = keys.length === 0 || SECRET_FIELD.test(path) ? undefined : describe(valueAt(context, keys));
    return { path, message: issue.message ?? 'not acceptable', ...(received === undefined ? {} : { received }) };
  });
  const where = error.validationContext ?? 'body';
  const first = errors[0];
  const detail = first ? `${first.path || where}: ${first.message}` : `the ${where} is not acceptable`;
  // A body that is JSON is well formed; an address that does not fit its pattern is not.
  return build(where === 'body' ? 'AVK_UNACCEPTABLE' : 'AVK_BAD_REQUEST', detail, errors);
}

function valueAt(value: unknown, keys: readonly string[]): unknown {
  return keys.reduce<unknown>((inner, key) => (inner as Record<string, unknown> | null | undefined)?.[key], value);
}

/** A value as it may stand in an error. Of what has parts not the parts: one of them may be a secret. */
function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = String(value);
  return text.length > RECEIVED_LENGTH ? `${text.slice(0, RECEIVED_LENGTH)}…` : text;
}

function build(code: ErrorCode, detail: string, errors: FieldError[] = [], lastLogLines: string[] = []): Problem {
  const { status, title } = ERRORS[code];
  return {
    type: `/docs/errors#${code}`,
    title,
    status,
    code,
    detail,
    errors,
    ...(lastLogLines.length > 0 ? { lastLogLines } : {}),
  };
}

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  const wait = problem.retryAfterSeconds ?? (problem.status === 503 ? 2 : null);
  if (wait !== null) reply.header('retry-after', String(wait));
  return reply
    .status(problem.status)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(problem);
}
