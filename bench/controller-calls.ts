import type { Host } from '../src/ports/host.ts';
import type { FleetVm } from '../test/fleet/vm.ts';
import { type Figure, figure } from './figures.ts';
import { hostOf, withFleet } from './fleet.ts';

const CALLS = 200;
const PARALLEL = 20;

/** What one call costs over the connection that is kept, beside one over a connection of its own. */
export function benchCalls({ quick }: { quick: boolean }): Promise<Figure[]> {
  return withFleet(1, async ({ scratch, fleet }) => {
    const [vm] = fleet.vms as [FleetVm];
    const hosts: Host[] = [];
    const open = (): Host => {
      const host = hostOf(scratch, vm, new Map());
      hosts.push(host);
      return host;
    };
    try {
      const kept = open();
      await ping(kept);
      const calls = quick ? 50 : CALLS;
      const socket = await times(calls, () => ping(kept));
      const program = await times(calls, () => run(kept));
      const many = await times(10, () => Promise.all(Array.from({ length: PARALLEL }, () => ping(kept))));
      const alone = await times(10, async () => {
        const host = open();
        await ping(host);
        await host.close();
      });
      return [
        figure({
          name: 'call to Docker over the kept connection',
          unit: 'ms',
          ours: socket,
          reference: { what: 'the same over an SSH connection of its own', measured: alone },
        }),
        figure({ name: `  ${PARALLEL} at once`, unit: 'ms', ours: many }),
        figure({ name: 'a program over the kept connection (`true`)', unit: 'ms', ours: program }),
      ];
    } finally {
      await Promise.all(hosts.map((host) => host.close()));
    }
  });
}

async function times(count: number, fn: () => Promise<unknown>): Promise<number[]> {
  const took: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const begin = performance.now();
    await fn();
    took.push(performance.now() - begin);
  }
  return took;
}

async function run(host: Host): Promise<void> {
  const { exitCode } = await host.run(['true'], { signal: AbortSignal.timeout(10_000) });
  if (exitCode !== 0) throw new Error(`true ended with ${exitCode}`);
}

async function ping(host: Host): Promise<void> {
  const stream = await host.connect({ socket: '/var/run/docker.sock' }, { signal: AbortSignal.timeout(10_000) });
  await new Promise<void>((resolve, reject) => {
    stream.once('error', reject);
    stream.once('data', (chunk: Buffer) =>
      chunk.toString().startsWith('HTTP/1.1 200') ? resolve() : reject(new Error(chunk.toString())),
    );
    stream.write('GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n');
  });
  stream.destroy();
}
