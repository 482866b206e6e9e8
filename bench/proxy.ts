import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../src/adapters/clock/system.ts';
import { createBuiltInProxy } from '../src/adapters/reverse-proxy/built-in/proxy.ts';
import type { LoadResult } from './load.ts';

export interface Side {
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** Of all rounds. */
  requests: number;
  failed: number;
}

export interface ProxyBench {
  connections: number;
  rounds: number;
  secondsPerRound: number;
  /** Medians over the rounds. */
  upstreamAlone: Side;
  throughProxy: Side;
  /** Median over the rounds of proxy divided by upstream alone, in requests per second. */
  ratio: number;
}

const CONNECTIONS = 50;
const ROUNDS = 5;
const SECONDS = 3;
const MAX_REQUESTS_PER_ROUND = 1_000_000;
/** As long as a small JSON answer. */
const BODY_BYTES = 200;

/**
 * Requests per second and latency of a small answer, from the upstream alone and through the built-in proxy, in turns.
 * Upstream, proxy and load generator are a process each. About 40 s; progress on stderr.
 */
export async function benchProxy(): Promise<ProxyBench> {
  const upstream = await startChild('upstream');
  const publicPort = await unusedPort();
  const proxy = await startChild('proxy', String(publicPort), String(upstream.port));
  try {
    const alone: LoadResult[] = [];
    const through: LoadResult[] = [];
    await measure(upstream.port, 1);
    await measure(publicPort, 1);
    for (let round = 0; round < ROUNDS; round++) {
      // Who comes first changes, so that neither always has the warmer machine.
      const turns = [
        { port: upstream.port, results: alone },
        { port: publicPort, results: through },
      ];
      if (round % 2 === 1) turns.reverse();
      for (const { port, results } of turns) results.push(await measure(port, SECONDS));
      const figure = (results: LoadResult[]): string => (results.at(-1)?.requestsPerSecond ?? 0).toFixed(0);
      process.stderr.write(`round ${round + 1} of ${ROUNDS}: alone ${figure(alone)}/s, proxy ${figure(through)}/s\n`);
    }
    const ratios = through.map((result, index) => result.requestsPerSecond / (alone[index]?.requestsPerSecond ?? 1));
    return {
      connections: CONNECTIONS,
      rounds: ROUNDS,
      secondsPerRound: SECONDS,
      upstreamAlone: side(alone),
      throughProxy: side(through),
      ratio: median(ratios),
    };
  } finally {
    await Promise.all([upstream.stop(), proxy.stop()]);
  }
}

function side(results: LoadResult[]): Side {
  const sum = (pick: (result: LoadResult) => number): number => results.reduce((total, one) => total + pick(one), 0);
  return {
    requestsPerSecond: median(results.map((result) => result.requestsPerSecond)),
    p50Ms: median(results.map((result) => result.p50Ms)),
    p99Ms: median(results.map((result) => result.p99Ms)),
    requests: sum((result) => result.requests),
    failed: sum((result) => result.failed),
  };
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function measure(port: number, seconds: number): Promise<LoadResult> {
  const file = fileURLToPath(new URL('./load.ts', import.meta.url));
  const args = [
    file,
    `http://127.0.0.1:${port}/`,
    String(CONNECTIONS),
    String(seconds),
    String(MAX_REQUESTS_PER_ROUND),
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: (seconds + 30) * 1000 });
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(output) as LoadResult);
      else reject(new Error(`the load generator ended with ${code}`));
    });
  });
}

/** This file as a child, in one of the roles below. It ends when its stdin does, so also when we are killed. */
function startChild(role: string, ...args: string[]): Promise<{ port: number; stop: () => Promise<void> }> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), role, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${role} ended with ${code}`)));
    child.stdout.once('data', (line: Buffer) => {
      const stop = async (): Promise<void> => {
        child.stdin.end();
        await gone;
      };
      resolve({ port: Number(line.toString()), stop });
    });
  });
}

async function unusedPort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function beUpstream(): Promise<void> {
  const body = Buffer.alloc(BODY_BYTES, 'x');
  const server = createServer((_, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': BODY_BYTES });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
}

async function beProxy(publicPort: number, upstreamPort: number): Promise<void> {
  const log = (line: string): boolean => process.stderr.write(`${line}\n`);
  const proxy = createBuiltInProxy({ host: '127.0.0.1', clock: systemClock, log });
  const upstreams = [{ ip: '127.0.0.1', port: upstreamPort }];
  const { rejected } = await proxy.apply([{ name: 'bench', publicPort, upstreams, maxBodyBytes: 0, note: '' }]);
  if (rejected.length > 0) throw new Error(rejected[0]?.reason);
  process.stdout.write(`${publicPort}\n`);
}

if (import.meta.main) {
  const [role, ...args] = argv.slice(2);
  if (role !== undefined) process.stdin.resume().on('end', () => process.exit(0));
  if (role === 'upstream') await beUpstream();
  else if (role === 'proxy') await beProxy(Number(args[0]), Number(args[1]));
  else {
    process.stdout.write(`${JSON.stringify(await benchProxy(), null, 2)}\n`);
    process.exit(0);
  }
}
