import type { FastifyError, FastifyReply } from 'fastify';
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
});
export type Problem = z.infer<typeof problemSchema>;

const RECEIVED_LENGTH = 100;
/** Values of fields with such names are never repeated in an error. */
const SECRET_FIELD = /password|token|secret|config/i;

/** Any thrown value as a problem. What is not meant for the caller stays out of it. */
export function problemOf(error: unknown): Problem {
  if (error instanceof AvkError) return build(error.code, error.message, error.errors, error.lastLogLines);
  if (hasZodFastifySchemaValidationErrors(error)) return validationProblem(error);
  const status = (error as Partial<FastifyError>).statusCode ?? 500;
  const message = error instanceof Error ? error.message : String(error);
  if (status === 413) return build('AVK_TOO_LARGE', `the request body is too large: ${message}`);
  if (status === 429) return build('AVK_TOO_MANY_REQUESTS', message);
  if (status === 507) return build('AVK_DISK_FULL', message);
  if (status >= 400 && status < 500) return { ...build('AVK_BAD_REQUEST', message), status };
  return build('AVK_INTERNAL', 'something went wrong inside the platform; its log says more');
}

function validationProblem(error: FastifyError & { validation: unknown[]; validationContext?: string }): Problem {
  const issues = error.validation as {
    instancePath: string;
    message?: string;
    params?: { issue?: { input?: unknown } };
  }[];
  const errors = issues.map((issue): FieldError => {
    const path = issue.instancePath.replace(/^\//, '').replaceAll('/', '.');
    const input = issue.params?.issue?.input;
    return {
      path,
      message: issue.message ?? 'not acceptable',
      ...(input === undefined || SECRET_FIELD.test(path) ? {} : { received: shorten(input) }),
    };
  });
  const where = error.validationContext ?? 'body';
  const first = errors[0];
  const detail = first ? `${first.path || where}: ${first.message}` : `the ${where} is not acceptable`;
  // A body that is JSON is well formed; an address that does not fit its pattern is not.
  return build(where === 'body' ? 'AVK_UNACCEPTABLE' : 'AVK_BAD_REQUEST', detail, errors);
}

/** A value as it may stand in an error. */
export function shorten(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
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
  if (problem.status === 503) reply.header('retry-after', '2');
  return reply
    .status(problem.status)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(problem);
}
