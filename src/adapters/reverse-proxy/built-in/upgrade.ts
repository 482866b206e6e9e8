import { type ClientRequest, request as httpRequest, type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { type Duplex, pipeline } from 'node:stream';
import { messageOf } from '../../../domain/errors.ts';
import { type Problem, problemHeaders, renderProblem } from './error-page.ts';
import { problemOf, unavailable } from './failure.ts';
import { bodyOf, pathOf, requestHeaders, responseHeaders } from './headers.ts';
import { type ForwardContext, pickNext, type RouteHolder } from './live-route.ts';
import type { Target } from './upstream-set.ts';

/**
 * Whether a request that asks for another protocol gets a tunnel. Not `h2c`, which Java's and curl's clients offer with
 * plain requests and which may be ignored, and not with a body, whose limit could not be kept.
 */
export function wantsTunnel(request: IncomingMessage): boolean {
  const protocol = request.headers.upgrade ?? '';
  return protocol !== '' && !/^h2c$/i.test(protocol.trim()) && !bodyOf(request).present;
}

function head(status: number, text: string, headers: readonly string[]): string {
  let lines = `HTTP/1.1 ${status} ${text}\r\n`;
  for (let index = 0; index < headers.length; index += 2) lines += `${headers[index]}: ${headers[index + 1]}\r\n`;
  return `${lines}\r\n`;
}

/** Connects the client's socket with an upstream's once that agrees to the upgrade; else passes its answer back. */
export function tunnel(
  context: ForwardContext,
  holder: RouteHolder,
  request: IncomingMessage,
  client: Socket,
  early: Buffer,
): void {
  client.on('error', () => client.destroy());
  client.setTimeout(context.idleTimeoutMs, () => client.destroy());
  const path = pathOf(request.url ?? '/');
  const { route } = holder.live;
  if (path === null) {
    const detail = `${route.name}: expected a path, got ${request.url}`;
    refuse(client, request, route.name, { status: 400, code: 'AVK_BAD_REQUEST', detail });
    return;
  }
  const headers = requestHeaders(request);
  headers.push('Connection', 'Upgrade', 'Upgrade', request.headers.upgrade ?? '');
  const tried: Target[] = [];
  let failure: { target: Target; error: unknown } | null = null;

  const attempt = (): void => {
    const target = pickNext(context, holder, tried);
    if (target === null) {
      const problem: Problem = failure
        ? problemOf(route.name, failure.target, failure.error, context.firstByteTimeoutMs / 1000)
        : unavailable(holder.live.route);
      if (failure) context.log(`${problem.detail} (${messageOf(failure.error)})`);
      refuse(client, request, route.name, problem);
      return;
    }
    const { ip: host, port } = target;
    const upstream = httpRequest({ host, port, path, method: request.method, headers, agent: false, setHost: false });
    account(context, target, client, upstream);
    handshake(context, upstream, client, early, {
      failed(error, connected) {
        failure = { target, error };
        if (!connected) {
          context.upstreams.avoid(target);
          tried.push(target);
          attempt();
          return;
        }
        refuse(client, request, route.name, problemOf(route.name, target, error, context.firstByteTimeoutMs / 1000));
      },
    });
  };
  attempt();
}

/** Counts the tunnel as under way on its target until both ends are gone or the attempt has failed. */
function account(context: ForwardContext, target: Target, client: Socket, upstream: ClientRequest): void {
  context.upstreams.begin(target);
  const onClientClose = (): void => {
    upstream.destroy();
  };
  client.once('close', onClientClose);
  let ended = false;
  const end = (): void => {
    if (ended) return;
    ended = true;
    client.off('close', onClientClose);
    context.upstreams.end(target);
  };
  // A request that became a tunnel closes at once; its socket then is what counts.
  upstream.once('upgrade', (_, socket: Duplex) => {
    upstream.off('close', end);
    socket.once('close', end);
  });
  upstream.once('close', end);
}

function handshake(
  context: ForwardContext,
  upstream: ClientRequest,
  client: Socket,
  early: Buffer,
  on: { failed: (error: unknown, connected: boolean) => void },
): void {
  let connected = false;
  let decided = false;
  const late = (code: string): void => {
    upstream.destroy(Object.assign(new Error('no answer in time'), { code }));
  };
  let timer = setTimeout(late, context.connectTimeoutMs, 'UND_ERR_CONNECT_TIMEOUT');
  upstream.once('socket', (socket) => {
    socket.once('connect', () => {
      connected = true;
      clearTimeout(timer);
      if (!decided) timer = setTimeout(late, context.firstByteTimeoutMs, 'UND_ERR_HEADERS_TIMEOUT');
    });
  });
  upstream.once('upgrade', (response: IncomingMessage, socket: Socket, rest: Buffer) => {
    decided = true;
    clearTimeout(timer);
    const headers = responseHeaders(response.rawHeaders, 101);
    headers.push('Connection', 'Upgrade', 'Upgrade', response.headers.upgrade ?? '');
    client.write(head(101, response.statusMessage ?? '', headers), 'latin1');
    if (rest.length > 0) client.write(rest);
    if (early.length > 0) socket.write(early);
    join(client, socket, context.idleTimeoutMs);
  });
  upstream.once('response', (response) => {
    decided = true;
    clearTimeout(timer);
    const status = response.statusCode ?? 502;
    const headers = [...responseHeaders(response.rawHeaders, status), 'Connection', 'close'];
    client.write(head(status, response.statusMessage ?? '', headers), 'latin1');
    pipeline(response, client, (error) => {
      // The client must not take a cut answer for a whole one.
      if (error) client.resetAndDestroy();
      else client.destroySoon();
    });
  });
  upstream.on('error', (error) => {
    clearTimeout(timer);
    if (decided || client.destroyed) return;
    decided = true;
    on.failed(error, connected);
  });
  upstream.end();
}

function join(client: Socket, upstream: Socket, idleTimeoutMs: number): void {
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    from.setNoDelay(true);
    from.setKeepAlive(true, 30_000);
    // Traffic in either direction keeps the tunnel: each side sees both what it reads and what is written to it.
    from.setTimeout(idleTimeoutMs, () => from.destroy());
    from.on('error', () => from.destroy());
    // As NGINX has it: once one side has said its last, the other gets that and the tunnel ends. Waiting for the other
    // side's end too would keep tunnels of clients that are gone.
    from.on('end', () => to.destroySoon());
    from.on('close', () => to.destroySoon());
    from.pipe(to);
  }
}

function refuse(client: Socket, request: IncomingMessage, app: string, problem: Problem): void {
  const rendered = renderProblem(app, problem, request.headers.accept ?? '');
  const headers = [...problemHeaders(problem, rendered), 'Connection', 'close'];
  client.write(head(problem.status, STATUS_CODES[problem.status] ?? '', headers), 'latin1');
  client.end(rendered.body, () => client.destroySoon());
}
