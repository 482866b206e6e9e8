import type { Readable } from 'node:stream';
import { AvkError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import {
  LinesRefused,
  type ServiceRequest,
  type ServiceResponse,
  type ServiceTransport,
} from '../../ports/service-transport.ts';

/** What this transport needs of an HTTP framework: fastify's `inject`. */
export interface Injectable {
  inject(options: {
    method: ServiceRequest['method'];
    url: string;
    headers: Record<string, string>;
    payload?: string;
    payloadAsStream: true;
    signal: AbortSignal;
  }): Promise<Answer>;
}

interface Answer {
  statusCode: number;
  headers: Record<string, unknown>;
  stream(): Readable;
}

/** Services of one process call each other through the same routes and checks as over HTTP, without the sockets. */
export function createInProcessTransport(clock: Clock): ServiceTransport & {
  add(service: string, app: Injectable): void;
  remove(service: string): void;
} {
  const apps = new Map<string, Injectable>();

  async function send(service: string, request: ServiceRequest, signal: AbortSignal) {
    const app = apps.get(service);
    if (!app) throw new AvkError('AVK_SERVICE_UNAVAILABLE', `${service} is not running`);
    return app.inject({
      method: request.method,
      url: request.path,
      headers: request.headers,
      ...(request.body === undefined ? {} : { payload: request.body }),
      payloadAsStream: true,
      signal,
    });
  }

  return {
    add: (service, app) => apps.set(service, app),
    remove: (service) => apps.delete(service),
    async call(service, request, options): Promise<ServiceResponse> {
      options.signal?.throwIfAborted();
      const deadline = new AbortController();
      const late = new AvkError('AVK_DEADLINE', `${service} did not answer within ${options.deadlineMs} ms`);
      const timer = clock.after(options.deadlineMs, () => deadline.abort(late), { background: true });
      const signal = options.signal ? AbortSignal.any([deadline.signal, options.signal]) : deadline.signal;
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
      try {
        return await Promise.race([send(service, request, signal).then(readAll), aborted]);
      } finally {
        timer.cancel();
      }
    },
    async *lines(service, request, { signal }) {
      if (signal.aborted) return;
      // Ends the request when the caller leaves the loop too: destroying the stream alone does not tell the service.
      const left = new AbortController();
      try {
        const response = await send(service, request, AbortSignal.any([signal, left.signal]));
        if (response.statusCode >= 400) throw new LinesRefused(service, await readAll(response));
        let rest = '';
        // As text, so that a character that comes in two chunks stays one.
        for await (const chunk of response.stream().setEncoding('utf8')) {
          const parts = (rest + String(chunk)).split('\n');
          rest = parts.pop() ?? '';
          yield* parts;
        }
        if (rest !== '') yield rest;
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        left.abort();
      }
    },
  };
}

async function readAll(response: Answer): Promise<ServiceResponse> {
  const chunks: Buffer[] = [];
  for await (const chunk of response.stream()) chunks.push(Buffer.from(chunk as Buffer));
  const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));
  return { status: response.statusCode, headers, body: Buffer.concat(chunks).toString('utf8') };
}
