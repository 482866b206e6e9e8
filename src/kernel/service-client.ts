import { AvkError, ERRORS, type ErrorCode } from '../domain/errors.ts';
import {
  LinesRefused,
  type ServiceRequest,
  type ServiceResponse,
  type ServiceTransport,
} from '../ports/service-transport.ts';
import { problemSchema } from './http/problem.ts';
import type { ServiceName } from './service.ts';

/** Calls other services in this service's name. Their errors arrive as the errors they were. */
export interface ServiceClient {
  /** The response's JSON (or text, if it is not JSON). Default deadline 10 s. */
  call(
    service: ServiceName,
    method: ServiceRequest['method'],
    path: string,
    options?: { body?: unknown; deadlineMs?: number; signal?: AbortSignal },
  ): Promise<unknown>;
  /** A response of newline-delimited JSON, value by value. */
  values(service: ServiceName, path: string, options: { signal: AbortSignal }): AsyncIterable<unknown>;
}

const DEFAULT_DEADLINE_MS = 10_000;

export function createServiceClient(transport: ServiceTransport, token: () => Promise<string>): ServiceClient {
  async function headers(body?: unknown): Promise<Record<string, string>> {
    return {
      authorization: `Bearer ${await token()}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
  }
  return {
    async call(service, method, path, options = {}) {
      const response = await transport.call(
        service,
        {
          method,
          path,
          headers: await headers(options.body),
          ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
        },
        {
          deadlineMs: options.deadlineMs ?? DEFAULT_DEADLINE_MS,
          ...(options.signal ? { signal: options.signal } : {}),
        },
      );
      if (response.status >= 400) throw errorOf(service, response);
      return response.headers['content-type']?.includes('json') ? JSON.parse(response.body) : response.body;
    },
    async *values(service, path, options) {
      const request: ServiceRequest = { method: 'GET', path, headers: await headers() };
      try {
        for await (const line of transport.lines(service, request, options)) {
          if (line !== '') yield JSON.parse(line);
        }
      } catch (error) {
        throw error instanceof LinesRefused ? errorOf(service, error.response) : error;
      }
    },
  };
}

function errorOf(service: string, response: ServiceResponse): AvkError {
  const parsed = response.headers['content-type']?.includes('json')
    ? problemSchema.safeParse(JSON.parse(response.body))
    : null;
  if (!parsed?.success || !(parsed.data.code in ERRORS)) {
    return new AvkError('AVK_SERVICE_UNAVAILABLE', `${service} answered ${response.status}`);
  }
  const { code, detail, errors, lastLogLines, retryAfterSeconds } = parsed.data;
  return new AvkError(code as ErrorCode, detail, {
    errors: errors as AvkError['errors'],
    ...(lastLogLines ? { lastLogLines } : {}),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}
