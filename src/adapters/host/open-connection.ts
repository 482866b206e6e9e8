import { connect, type Socket } from 'node:net';
import type { ConnectTarget } from '../../ports/host.ts';

/** Connects from this machine; rejects with the connection's own error, or with the signal's reason. */
export function openConnection(target: ConnectTarget, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = 'socket' in target ? connect(target.socket) : connect({ host: target.ip, port: target.port });
    const abort = (): void => {
      socket.destroy();
      reject(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', (error) => {
      signal.removeEventListener('abort', abort);
      reject(error);
    });
    socket.once('connect', () => {
      signal.removeEventListener('abort', abort);
      resolve(socket);
    });
  });
}
