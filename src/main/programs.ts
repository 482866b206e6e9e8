import type { Program } from '../adapters/service-runtime/in-process.ts';
import { AvkError } from '../domain/errors.ts';
import type { Service, ServiceName } from '../kernel/service.ts';
import type { Address } from '../ports/service-registry.ts';

/** One run of a service with what was opened for it. */
export interface OpenedService {
  service: Service;
  /** Closes its tables. */
  close(): Promise<void>;
}

export interface ProgramOptions {
  /** Opens its tables and wires it; nothing runs yet. */
  open: () => Promise<OpenedService>;
  host: string;
  port: number;
  /** Where others reach it when it listens on all addresses. */
  publicIp: string;
  /** Told when it can be called, and when it no longer can. */
  onUp: (service: Service) => void;
  onDown: (service: Service) => void;
}

/** A service as a program of this process: its own port, its own tables. */
export function createProgram(options: ProgramOptions): Program {
  let opened: OpenedService | null = null;

  async function close({ service, close }: OpenedService): Promise<void> {
    options.onDown(service);
    try {
      await service.http.close();
      await service.stop();
    } finally {
      await close();
    }
  }

  return {
    async start() {
      opened = await options.open();
      const { service } = opened;
      try {
        options.onUp(service);
        await service.start();
        return await listen(service, options);
      } catch (error) {
        const failed = opened;
        opened = null;
        await close(failed);
        throw error;
      }
    },
    async stop() {
      const running = opened;
      opened = null;
      if (running) await close(running);
    },
    alive: () => opened?.service.http.server.listening === true,
  };
}

async function listen({ name, http }: Service, { host, port, publicIp }: ProgramOptions): Promise<Address> {
  try {
    const address = await http.listen({ host, port });
    return { ip: publicIp, port: Number(new URL(address).port) };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
    throw portInUse(name, port, cause);
  }
}

function portInUse(name: ServiceName, port: number, cause: unknown): AvkError {
  return new AvkError(
    'AVK_PORT_IN_USE',
    `port ${port}, which ${name} needs, is in use; stop what uses it, or choose other ports with --port (the services take PORT to PORT+8)`,
    { cause },
  );
}
