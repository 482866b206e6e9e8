import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { messageOf } from '../../../domain/errors.ts';
import { forward } from './forward.ts';
import type { ForwardContext, LiveRoute, RouteHolder } from './live-route.ts';
import { tunnel, wantsTunnel } from './upgrade.ts';

/** One public port. */
export interface Listener {
  /** Resolves when the port accepts connections. Rejects with the system's error (`EADDRINUSE`, `EACCES`, …). */
  listen(host: string, port: number): Promise<void>;
  /** From now on requests of this port go by this route; those under way go on as they are. */
  swap(live: LiveRoute): void;
  /** What is live at this moment. */
  readonly live: LiveRoute;
  /** Stops accepting at once and closes idle connections; resolves when the last request and tunnel has ended. */
  stop(): Promise<void>;
  /** Cuts every connection. */
  destroy(): void;
}

/** As NGINX has it for clients, so that those who learnt its limits meet no surprise. */
const MAX_HEADER_BYTES = 32 * 1024;
/** Longer than the 60 s that load balancers in front keep their idle connections. */
const KEEP_ALIVE_MS = 65_000;

export function createListener(context: ForwardContext, live: LiveRoute): Listener {
  const holder: RouteHolder = { live, turn: 0, closing: false };
  /** Connections that have not sent a request yet: to node they are active, so it would wait for them. */
  const fresh = new Set<Socket>();
  const tunnels = new Set<Socket>();
  const server = createServer({
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: 60_000,
    // An upload may take as long as it needs, as long as it moves (`server.timeout`).
    requestTimeout: 0,
    maxHeaderSize: MAX_HEADER_BYTES,
    shouldUpgradeCallback: wantsTunnel,
  });
  server.timeout = context.idleTimeoutMs;

  const handle = (request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void => {
    if (fresh.size > 0) fresh.delete(request.socket);
    forward(context, holder, request, response, awaitsContinue);
    if (holder.closing) closeWhenIdle(response);
    else underWay.add(response);
    response.once('close', () => underWay.delete(response));
  };
  const underWay = new Set<ServerResponse>();
  const closeWhenIdle = (response: ServerResponse): void => {
    if (!response.headersSent) response.shouldKeepAlive = false;
    // Its head promised to keep the connection; node counts it as idle only after this event.
    response.once('close', () => setImmediate(() => server.closeIdleConnections()));
  };

  server.on('connection', (socket) => {
    fresh.add(socket);
    socket.once('close', () => fresh.delete(socket));
  });
  server.on('request', (request, response) => handle(request, response, false));
  server.on('checkContinue', (request, response) => handle(request, response, true));
  server.on('upgrade', (request: IncomingMessage, socket: Socket, early: Buffer) => {
    fresh.delete(socket);
    tunnels.add(socket);
    socket.once('close', () => tunnels.delete(socket));
    tunnel(context, holder, request, socket, early);
  });

  return {
    listen(host, port) {
      return new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port, backlog: 4096, exclusive: true }, () => {
          server.off('error', reject);
          server.on('error', (error) => context.log(`port ${port}: ${messageOf(error)}`));
          resolve();
        });
      });
    },
    swap(next) {
      holder.live = next;
    },
    get live() {
      return holder.live;
    },
    stop() {
      holder.closing = true;
      return new Promise((resolve) => {
        server.close(() => resolve());
        for (const response of underWay) closeWhenIdle(response);
        for (const socket of fresh) socket.destroy();
      });
    },
    destroy() {
      for (const socket of tunnels) socket.destroy();
      server.closeAllConnections();
    },
  };
}
