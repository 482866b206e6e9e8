import { get } from 'node:http';
import type { Duplex } from 'node:stream';
import { AvkError } from '../../domain/errors.ts';
import type { HealthCheck } from '../../domain/manifest.ts';
import type { HealthResult } from '../../ports/container-runtime.ts';

interface Address {
  ip: string;
  port: number;
}

export interface HealthCheckOptions {
  /** A connection to the app, made where traffic for it will come from. Rejects with the connection's own error. */
  connect: (target: Address, options: { signal: AbortSignal }) => Promise<Duplex>;
  /**
   * For machines that are somewhere else: why this one cannot be asked now, or null when it answers. Asked when the app
   * gave no answer, since then it may be the machine that is silent.
   */
  machineSilent?: () => Promise<string | null>;
}

export type CheckHealth = (address: Address, check: HealthCheck | null, timeoutMs: number) => Promise<HealthResult>;

/** What one try came to; `answered` says that it was the app, or the kernel in its place, that did. */
interface Try extends HealthResult {
  answered: boolean;
}

/**
 * One check of an app. With `check` an HTTP GET that must be answered with 200-299 (a redirect is no answer: what is
 * behind it was not asked), without it a TCP connect. Never throws.
 */
export function createHealthCheck({ connect, machineSilent }: HealthCheckOptions): CheckHealth {
  return async (address, check, timeoutMs) => {
    const { answered, ...result } = await (check
      ? checkHttp(connect, address, check.path, timeoutMs)
      : checkTcp(connect, address, timeoutMs));
    if (answered || result.unknown || !machineSilent) return result;
    const why = await machineSilent();
    return why === null ? result : { healthy: false, unknown: true, reason: why };
  };
}

function checkHttp(
  connect: HealthCheckOptions['connect'],
  address: Address,
  path: string,
  timeoutMs: number,
): Promise<Try> {
  return new Promise((resolve) => {
    let request: ReturnType<typeof get> | undefined;
    const giveUp = new AbortController();
    const done = (result: Try): void => {
      clearTimeout(timer);
      // The answer's body is of no interest, however long it is.
      request?.destroy();
      giveUp.abort();
      resolve(result);
    };
    const timer = setTimeout(() => {
      done(silent(`health check at ${path} did not answer within ${seconds(timeoutMs)}`));
    }, timeoutMs);
    const createConnection = (_: object, callback: (error: Error | null, socket: Duplex) => void): undefined => {
      connect(address, { signal: giveUp.signal }).then(
        (socket) => {
          if (giveUp.signal.aborted) socket.destroy();
          else callback(null, socket);
        },
        (error: Error) => {
          if (!giveUp.signal.aborted) done(failure(error, address, `health check at ${path}`));
        },
      );
    };
    try {
      request = get({ host: address.ip, port: address.port, path, createConnection, headers: { connection: 'close' } });
    } catch (error) {
      done({ ...silent(`health check at ${path} could not be sent: ${(error as Error).message}`), answered: true });
      return;
    }
    request.on('response', (response) => {
      // Destroying the request fails a body that is still coming.
      response.on('error', () => undefined);
      const status = response.statusCode ?? 0;
      const reason = `health check got ${status} at ${path}`;
      done({ healthy: status >= 200 && status <= 299, reason, answered: true });
    });
    request.on('error', (error) => done(failure(error, address, `health check at ${path}`)));
  });
}

function checkTcp(connect: HealthCheckOptions['connect'], address: Address, timeoutMs: number): Promise<Try> {
  return new Promise((resolve) => {
    const giveUp = new AbortController();
    const done = (result: Try): void => {
      clearTimeout(timer);
      giveUp.abort();
      resolve(result);
    };
    const timer = setTimeout(() => {
      done(silent(`port ${address.port} did not answer within ${seconds(timeoutMs)}`));
    }, timeoutMs);
    connect(address, { signal: giveUp.signal }).then(
      (socket) => {
        // The other side may be gone before we hang up.
        socket.on('error', () => undefined).destroy();
        done({ healthy: true, reason: `port ${address.port} accepts connections`, answered: true });
      },
      (error: Error) => {
        if (!giveUp.signal.aborted) done(failure(error, address, `connecting to port ${address.port}`));
      },
    );
  });
}

function failure(error: NodeJS.ErrnoException, address: Address, what: string): Try {
  // Of the machine, or of the way to it.
  if (error instanceof AvkError) {
    return { ...silent(`${what}: ${error.message}`), unknown: true };
  }
  switch (error.code) {
    case 'ECONNREFUSED':
      return { ...silent(`nothing listens on port ${address.port}`), answered: true };
    case 'ECONNRESET':
    case 'EPIPE':
      return silent(`${what}: the app closed the connection without an answer`);
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return silent(`${what}: ${address.ip} cannot be reached`);
    default:
      return String(error.code).startsWith('HPE_')
        ? { ...silent(`${what}: the answer is not HTTP`), answered: true }
        : silent(`${what}: ${error.message}`);
  }
}

function silent(reason: string): Try {
  return { healthy: false, reason, answered: false };
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}
