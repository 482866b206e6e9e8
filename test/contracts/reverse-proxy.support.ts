import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestOptions,
  request,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Route, Upstream } from '../../src/ports/reverse-proxy.ts';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  rawHeaders: string[];
  body: Buffer;
}

export interface AskOptions extends RequestOptions {
  data?: string | Buffer;
}

/** Starts a request; resolves with its answer's head. The connection is its own unless an agent is given. */
export function begin(url: string, options: AskOptions = {}): Promise<IncomingMessage> {
  const { data, ...rest } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent: false, ...rest });
    outgoing.on('response', resolve).on('error', reject);
    outgoing.end(data);
  });
}

/** A whole request and its whole answer. */
export async function ask(url: string, options: AskOptions = {}): Promise<Answer> {
  const response = await begin(url, options);
  const body = await buffer(response);
  return { status: response.statusCode ?? 0, headers: response.headers, rawHeaders: response.rawHeaders, body };
}

export interface TestUpstream extends Upstream {
  /** Requests that reached it. */
  readonly seen: number;
  /** Open connections to it. */
  readonly connections: number;
  close(): Promise<void>;
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** An app: by default answers with its own port as text. */
export async function startUpstream(options: {
  ip: string;
  handler?: Handler;
  upgrade?: (request: IncomingMessage, socket: Duplex) => void;
}): Promise<TestUpstream> {
  let seen = 0;
  const sockets = new Set<Socket>();
  const server = createServer({ keepAliveTimeout: 30_000 }, (incoming, response) => {
    seen++;
    if (options.handler) options.handler(incoming, response);
    else incoming.resume().on('end', () => response.end(String((server.address() as AddressInfo).port)));
  });
  if (options.upgrade) server.on('upgrade', options.upgrade);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, options.ip, resolve));
  return {
    ip: options.ip,
    port: (server.address() as AddressInfo).port,
    get seen() {
      return seen;
    },
    get connections() {
      return sockets.size;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** The promise's value, or a failure when it takes longer than 10 s: long before the deadlines that tests give proxies. */
export async function inTime<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('not within 10 s')), 10_000);
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** An address at which nothing listens. */
export async function deadUpstream(ip: string): Promise<Upstream> {
  const { port } = await holdPort(ip).then(async (held) => {
    await held.release();
    return held;
  });
  return { ip, port };
}

/** Another program that listens on a port. */
export async function holdPort(ip: string, port = 0): Promise<{ port: number; release: () => Promise<void> }> {
  const server = createTcpServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, ip, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    release: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

let nextPort = 21_000 + (process.pid % 4000);

/** A port for a route, outside the range of the kernel's own; each call gives another. */
export async function freePort(ip: string): Promise<number> {
  for (;;) {
    const port = nextPort++;
    try {
      await (await holdPort(ip, port)).release();
      return port;
    } catch {
      // Taken: the next one.
    }
  }
}

export function route(
  name: string,
  publicPort: number,
  upstreams: readonly Upstream[],
  rest: Partial<Route> = {},
): Route {
  const addresses = upstreams.map(({ ip, port }) => ({ ip, port }));
  return { name, publicPort, upstreams: addresses, maxBodyBytes: 0, note: '', ...rest };
}

/** Sends bytes and resolves with the first that come back, and the socket. */
export function exchange(host: string, port: number, bytes: string): Promise<{ socket: Socket; text: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    socket.once('error', reject);
    socket.once('connect', () => socket.write(bytes));
    socket.once('data', (chunk) => resolve({ socket, text: chunk.toString('latin1') }));
  });
}

export interface LoadCount {
  sent: number;
  /** What went wrong, by sentence. */
  failures: string[];
  byUpstream: Map<string, number>;
}

/** Keep-alive clients that ask as fast as they are answered, each fifth time by POST, until `stop` is called. */
export function startLoad(
  url: string,
  clients: number,
  allowed: () => ReadonlySet<string>,
): { answered: () => number; stop: () => Promise<LoadCount> } {
  let answered = 0;
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const count: LoadCount = { sent: 0, failures: [], byUpstream: new Map() };
  let running = true;
  const client = async (): Promise<void> => {
    while (running) {
      const options = ++count.sent % 5 === 0 ? { agent, method: 'POST', data: 'x'.repeat(500) } : { agent };
      try {
        const { status, body } = await ask(url, options);
        answered++;
        const text = body.toString();
        if (status !== 200 || !allowed().has(text)) count.failures.push(`${status} ${text}`);
        count.byUpstream.set(text, (count.byUpstream.get(text) ?? 0) + 1);
      } catch (error) {
        count.failures.push(String(error));
      }
    }
  };
  const all = Promise.all(Array.from({ length: clients }, client));
  return {
    answered: () => answered,
    async stop() {
      running = false;
      await all;
      agent.destroy();
      return count;
    },
  };
}
