import type { FastifyReply, FastifyRequest } from 'fastify';
import { counter, histogram, type Metrics } from '../metrics.ts';

const BUCKETS = [0.005, 0.025, 0.1, 0.5, 2.5, 10];
/** Answers without an end: how long somebody listened says nothing about the service. */
const STREAMS = /^(text\/event-stream|application\/x-ndjson)/;

type OnResponse = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

/** A hook that counts requests, and how long they took, by route. */
export function measureRequests(metrics: Metrics, service: string): OnResponse {
  const requests = counter(metrics, {
    name: 'avishkar_http_requests_total',
    help: 'Requests that were answered',
    labels: ['service', 'method', 'route', 'status'],
  });
  const seconds = histogram(metrics, {
    name: 'avishkar_http_request_seconds',
    help: 'How long answers took; streams are left out',
    labels: ['service', 'method', 'route'],
    buckets: BUCKETS,
  });
  return async (request, reply) => {
    // The pattern, not the path: an address that nobody serves must not become a label.
    const route = request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown');
    const method = request.is404 ? 'any' : request.method;
    requests.inc({ service, method, route, status: `${Math.floor(reply.statusCode / 100)}xx` });
    if (STREAMS.test(String(reply.getHeader('content-type')))) return;
    seconds.observe({ service, method, route }, reply.elapsedTime / 1000);
  };
}
