import type { FleetVm } from '../test/fleet/vm.ts';
import { apiWith } from '../test/support/api.ts';
import { type Figure, figure } from './figures.ts';
import { startController, withFleet } from './fleet.ts';

const AT_ONCE = 500;
const ALONE = 20;
/** The load balancer's, counted from the platform's. */
const OFFSET = 4;

/** Registrations of containers that run already, in the starting document's form: one at a time, and all at once. */
export function benchRegistrations({ quick }: { quick: boolean }): Promise<Figure[]> {
  return withFleet(1, async (bench) => {
    const [vm] = bench.fleet.vms as [FleetVm];
    // Says each reload in its log, and has connections for that many ports, as docs/operations.md asks for.
    const notices = 's|^error_log .*;|error_log /var/log/nginx/error.log notice;|';
    const connections = 's|worker_connections .*;|worker_connections 4096;|';
    await vm.exec(['sed', '-i', '-e', notices, '-e', connections, '/etc/nginx/nginx.conf']);
    await vm.kill('nginx');
    await vm.begin('nginx');
    const { url, api } = await startController(bench);
    const balancer = new URL(url);
    balancer.port = String(Number(balancer.port) + OFFSET);
    const direct = apiWith(balancer.origin, api.token);
    let next = 0;
    const register = async (): Promise<string> => {
      const n = next++;
      const query = new URLSearchParams({
        appName: `bench-${n}`,
        imageName: 'bench:1',
        vmIp: vm.address,
        containerId: `container-${n}`,
        containerPort: '8050',
        hostPort: String(30_000 + n),
      });
      const response = await direct.request('GET', `/registerApp?${query}`, undefined, {});
      const text = await response.text();
      if (response.status !== 200) throw new Error(`bench-${n} was answered with ${response.status}: ${text}`);
      return text;
    };
    const alone: number[] = [];
    for (let n = 0; n < (quick ? 5 : ALONE); n += 1) {
      const begin = performance.now();
      await register();
      alone.push(performance.now() - begin);
    }
    const count = quick ? 50 : AT_ONCE;
    const before = await reloads(vm);
    const begin = performance.now();
    const addresses = await Promise.all(Array.from({ length: count }, register));
    const took = performance.now() - begin;
    const ports = new Set(addresses);
    if (ports.size < count) throw new Error(`${count} registrations got ${ports.size} different addresses`);
    const needed = (await reloads(vm)) - before;
    return [
      figure({
        name: 'registering an app, until its address is live',
        unit: 'ms',
        ours: alone,
        reference: { what: 'by ssh and shell 340 ms (published)' },
        target: { text: '<= 100 ms', met: ({ median }) => median <= 100 },
      }),
      figure({
        name: `${count} registrations at once, until all are live`,
        unit: 'ms',
        ours: [took],
        notes: [`${ports.size} different addresses, ${needed} reloads of NGINX`],
      }),
    ];
  });
}

async function reloads(vm: FleetVm): Promise<number> {
  const { stdout } = await vm.exec(['grep', '-c', 'signal 1 (SIGHUP) received', '/var/log/nginx/error.log']);
  return Number(stdout);
}
