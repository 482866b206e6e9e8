/**
 * Child process of `bench/proxy.ts`: `node bench/load.ts URL CONNECTIONS SECONDS MAX_REQUESTS`. Sends GETs over keep-alive
 * connections, each as soon as the one before was answered, and prints one line of JSON: a `LoadResult`.
 * Raw sockets, so that the generator costs less than what it measures. Loopback only; ends by itself.
 */
import { connect } from 'node:net';
import { argv } from 'node:process';

export interface LoadResult {
  requests: number;
  /** Answers other than 200, and lost connections. */
  failed: number;
  seconds: number;
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const LENGTH = /\r\ncontent-length: *(\d+)/i;

export async function load(url: URL, connections: number, seconds: number, maxRequests: number): Promise<LoadResult> {
  if (!['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname)) throw new Error('only for loopback');
  const request = Buffer.from(`GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nAccept: */*\r\n\r\n`);
  const latencies: number[] = [];
  let failed = 0;
  let sent = 0;
  const begin = performance.now();
  const end = begin + seconds * 1000;
  const one = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect({ host: url.hostname.replace(/[[\]]/g, ''), port: Number(url.port), noDelay: true });
      let pending: Buffer = Buffer.alloc(0);
      let since = 0;
      const next = (): void => {
        if (performance.now() >= end || sent >= maxRequests) {
          socket.destroy();
          return;
        }
        sent++;
        since = performance.now();
        socket.write(request);
      };
      socket.on('connect', next);
      socket.on('data', (chunk) => {
        pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
        const headEnd = pending.indexOf(HEAD_END);
        if (headEnd < 0) return;
        const head = pending.toString('latin1', 0, headEnd);
        const length = Number(LENGTH.exec(head)?.[1] ?? Number.NaN);
        if (Number.isNaN(length)) throw new Error(`expected an answer with a Content-Length, got:\n${head}`);
        if (pending.length < headEnd + 4 + length) return;
        pending = pending.subarray(headEnd + 4 + length);
        latencies.push(performance.now() - since);
        since = 0;
        if (!head.startsWith('HTTP/1.1 200 ')) failed++;
        next();
      });
      socket.on('error', () => {
        // Counted when it closes.
      });
      socket.on('close', () => {
        if (since !== 0) failed++;
        resolve();
      });
    });
  await Promise.all(Array.from({ length: connections }, one));
  const took = (performance.now() - begin) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(share * (latencies.length - 1))] ?? Number.NaN;
  return {
    requests: latencies.length,
    failed,
    seconds: took,
    requestsPerSecond: latencies.length / took,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
  };
}

if (import.meta.main) {
  const [url, connections, seconds, maxRequests] = argv.slice(2);
  const result = await load(new URL(String(url)), Number(connections), Number(seconds), Number(maxRequests));
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
