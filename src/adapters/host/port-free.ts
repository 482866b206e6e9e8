import { createServer } from 'node:net';

/** True when nothing listens on that TCP port of this machine. Found out by binding it for a moment. */
export async function portFree(port: number): Promise<boolean> {
  // A listener on one address does not always keep others from binding the wildcard, nor the other way round.
  return (await canBind(port, '127.0.0.1')) && (await canBind(port, '0.0.0.0'));
}

function canBind(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
