import { get } from 'node:http';
import { connect } from 'node:net';
import type { HealthCheck } from '../../domain/manifest.ts';
import type { HealthResult } from '../../ports/container-runtime.ts';

/**
 * One check of an app from this machine. With `check` an HTTP GET that must be answered with 200-299 (a redirect is
 * no answer: what is behind it was not asked), without it a TCP connect. Never throws.
 */
export function checkHealth(
  address: { ip: string; port: number },
  check: HealthCheck | null,
  timeoutMs: number,
): Promise<HealthResult> {
  return check ? checkHttp(address, check.path, timeoutMs) : checkTcp(address, timeoutMs);
}

function checkHttp(address: { ip: string; port: number }, path: string, timeoutMs: number): Promise<HealthResult> {
  return new Promise((resolve) => {
    let request: ReturnType<typeof get> | undefined;
    const done = (result: HealthResult): void => {
      // The answer's body is of no interest, however long it is.
      request?.destroy();
      clearTimeout(timer);
      resolve(result);
    };
    const timer = setTimeout(() => {
      done(unhealthy(`health check at ${path} did not answer within ${seconds(timeoutMs)}`));
    }, timeoutMs);
    try {
      request = get({ host: address.ip, port: address.port, path, agent: false, headers: { connection: 'close' } });
    } catch (error) {
      done(unhealthy(`health check at ${path} could not be sent: ${(error as Error).message}`));
      return;
    }
    request.on('response', (response) => {
      // Destroying the request fails a body that is still coming.
      response.on('error', () => undefined);
      const status = response.statusCode ?? 0;
      const reason = `health check got ${status} at ${path}`;
      done({ healthy: status >= 200 && status <= 299, reason });
    });
    request.on('error', (error) => done(unhealthy(failure(error, address, `health check at ${path}`))));
  });
}

function checkTcp(address: { ip: string; port: number }, timeoutMs: number): Promise<HealthResult> {
  return new Promise((resolve) => {
    const socket = connect({ host: address.ip, port: address.port });
    const done = (result: HealthResult): void => {
      socket.destroy();
      clearTimeout(timer);
      resolve(result);
    };
    const timer = setTimeout(() => {
      done(unhealthy(`port ${address.port} did not answer within ${seconds(timeoutMs)}`));
    }, timeoutMs);
    socket.on('connect', () => done({ healthy: true, reason: `port ${address.port} accepts connections` }));
    socket.on('error', (error) => done(unhealthy(failure(error, address, `connecting to port ${address.port}`))));
  });
}

function failure(error: NodeJS.ErrnoException, address: { ip: string; port: number }, what: string): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return `nothing listens on port ${address.port}`;
    case 'ECONNRESET':
    case 'EPIPE':
      return `${what}: the app closed the connection without an answer`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return `${what}: ${address.ip} cannot be reached`;
    default:
      return error.code?.startsWith('HPE_') ? `${what}: the answer is not HTTP` : `${what}: ${error.message}`;
  }
}

function unhealthy(reason: string): HealthResult {
  return { healthy: false, reason };
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}
