import { createServer } from 'node:net';
import { AvkError, messageOf } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { ApplyResult, ReverseProxy, Route } from '../../../ports/reverse-proxy.ts';
import { checkRoutes } from '../route-check.ts';
import { createListener, type Listener } from './listener.ts';
import { type ForwardContext, toLive } from './live-route.ts';
import { type Target, UpstreamSet } from './upstream-set.ts';

export interface BuiltInProxyOptions {
  /** Address to bind public ports on, e.g. `0.0.0.0` or `127.0.0.1`. */
  host: string;
  clock: Clock;
  /** One line per failed request or port, for the operator. Default: none. */
  log?: (line: string) => void;
  /** For a TCP connection to an upstream. Default 5 s. */
  connectTimeoutMs?: number;
  /** From the whole request sent to the first byte of an answer; kept to about a second. Default 60 s. */
  firstByteTimeoutMs?: number;
  /** A body or tunnel on which nothing moves for so long is cut. Default 1 h. */
  idleTimeoutMs?: number;
  /** What `close` gives the requests under way. Default 5 s. */
  closeGraceMs?: number;
}

/** A reverse proxy in this process: one HTTP server per public port. */
export function createBuiltInProxy(options: BuiltInProxyOptions): ReverseProxy {
  const { host, clock } = options;
  const limits = {
    connectTimeoutMs: options.connectTimeoutMs ?? 5000,
    firstByteTimeoutMs: options.firstByteTimeoutMs ?? 60_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 3_600_000,
  };
  const log = options.log ?? (() => undefined);
  const upstreams = new UpstreamSet(clock, limits);
  const context: ForwardContext = { ...limits, upstreams, log };
  const listeners = new Map<number, Listener>();
  /** Ports given up whose last requests are still under way. */
  const retired = new Map<Listener, Promise<void>>();
  let closed = false;
  let queue: Promise<unknown> = Promise.resolve();

  const retire = (port: number, listener: Listener): void => {
    listeners.delete(port);
    const stopped = listener.stop().finally(() => retired.delete(listener));
    retired.set(listener, stopped);
  };

  const makeLive = async (route: Route): Promise<string | null> => {
    const present = listeners.get(route.publicPort);
    const live = toLive(route, upstreams);
    if (present) {
      present.swap(live);
      return null;
    }
    const listener = createListener(context, live);
    try {
      await listener.listen(host, route.publicPort);
    } catch (error) {
      return bindProblem(error, host, route.publicPort);
    }
    listeners.set(route.publicPort, listener);
    return null;
  };

  const applyNow = async (routes: readonly Route[]): Promise<ApplyResult> => {
    if (closed) throw new AvkError('AVK_SERVICE_UNAVAILABLE', 'the proxy is closed', { retryable: false });
    const { accepted, rejected } = checkRoutes(routes);
    const wanted = new Set(accepted.map((route) => route.publicPort));
    for (const [port, listener] of [...listeners]) if (!wanted.has(port)) retire(port, listener);
    const problems = await Promise.all(accepted.map(makeLive));
    accepted.forEach((route, index) => {
      const reason = problems[index] ?? null;
      if (reason === null) return;
      rejected.push({ name: route.name, reason, portTaken: true });
      log(`${route.name}: ${reason}`);
    });
    upstreams.retain(new Set<Target>([...listeners.values()].flatMap((listener) => listener.live.targets)));
    return { rejected };
  };

  const serialised = <T>(work: () => Promise<T>): Promise<T> => {
    const result = queue.then(work);
    queue = result.catch(() => undefined);
    return result;
  };

  return {
    // Copied now: the caller may change its list while an earlier call is at work.
    apply(routes) {
      const wanted = structuredClone(routes);
      return serialised(() => applyNow(wanted));
    },
    drained: (upstream, deadlineMs) => upstreams.drained(upstream, deadlineMs),
    async portFree(port) {
      return listeners.has(port) || (await canBind(host, port));
    },
    close() {
      return serialised(async () => {
        if (closed) return;
        closed = true;
        for (const [port, listener] of [...listeners]) retire(port, listener);
        const cutting = [...retired.keys()];
        const grace = new AbortController();
        await Promise.race([
          Promise.all(retired.values()),
          clock.sleep(options.closeGraceMs ?? 5000, grace.signal).catch(() => undefined),
        ]);
        grace.abort();
        for (const listener of cutting) listener.destroy();
        await upstreams.destroy();
        await Promise.all(retired.values());
      });
    },
  };
}

function bindProblem(error: unknown, host: string, port: number): string {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  if (code === 'EADDRINUSE') return `port ${port} is taken by another program`;
  if (code === 'EACCES') return `port ${port} may not be used without more rights`;
  if (code === 'EADDRNOTAVAIL') return `${host} is not an address of this machine`;
  return `port ${port} cannot be used: ${messageOf(error)}`;
}

function canBind(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    try {
      probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(true)));
    } catch {
      // Not a port number at all.
      resolve(false);
    }
  });
}
