import { once } from 'node:events';
import { createServer } from 'node:net';
import { systemRandom } from '../../src/adapters/random/system.ts';
import type { createInProcessServices, Program } from '../../src/adapters/service-runtime/in-process.ts';
import type { ServiceRuntimeLab } from './service-runtime.contract.ts';

/** A lab around a runtime in this process; its service listens and says nothing. */
export async function inProcessLab(create: typeof createInProcessServices): Promise<ServiceRuntimeLab> {
  let runs = 0;
  let server = createServer();

  function echo(): Program {
    const own = createServer();
    server = own;
    return {
      async start() {
        runs += 1;
        own.listen(0, '127.0.0.1');
        await once(own, 'listening');
        const address = own.address();
        return { ip: '127.0.0.1', port: typeof address === 'object' ? (address?.port ?? 0) : 0 };
      },
      async stop() {
        if (own.listening) await new Promise((done) => own.close(done));
      },
      alive: () => own.listening,
    };
  }
  const runtime = create({ echo }, systemRandom);
  return {
    runtime,
    begun: () => runs,
    kill: () => new Promise((done) => server.close(() => done())),
    async reaches({ port }) {
      const { connect } = await import('node:net');
      const socket = connect(port, '127.0.0.1');
      return new Promise((resolve) => {
        socket.once('connect', () => {
          socket.destroy();
          resolve(true);
        });
        socket.once('error', () => resolve(false));
      });
    },
    close: () => runtime.stop('echo'),
  };
}
