import { setTimeout as sleep } from 'node:timers/promises';
import type { FleetVm } from '../test/fleet/vm.ts';
import type { Api } from '../test/support/api.ts';
import { appOf } from '../test/support/apps.ts';
import { firstOk, SETTLE_MS, throughPlatform } from './deploying.ts';
import { type Figure, figure, summarize } from './figures.ts';
import { startController, withFleet } from './fleet.ts';
import { until } from './platform.ts';

const ROUNDS = 20;
const QUICK_ROUNDS = 5;
const PORT = 8050;
const MAIN = `const http = require('node:http');
http.createServer((_, answer) => answer.end(require('node:os').hostname())).listen(process.env.PORT);
process.on('SIGTERM', () => process.exit(0));
`;

/** From an image that is on the VM to the first 200: by hand, by Docker Swarm, through the platform; and one more replica. */
export function benchControllerDeploy({ quick }: { quick: boolean }): Promise<Figure[]> {
  return withFleet(3, async (bench) => {
    const { url, api } = await startController(bench);
    await api.provide(appOf('tiny', MAIN, { health: { path: '/' } }));
    // Brings the image onto every VM, and keeps it there.
    await api.reaches(await api.deploy('tiny', { instanceName: 'keeper', scale: { min: 3, max: 3 } }), 'running');
    await until('a replica on each VM', 100, async () => {
      const { replicas } = await api.instance('keeper');
      return replicas.filter(({ state }) => state === 'healthy').length === 3 ? true : null;
    });
    const [, vm] = bench.fleet.vms;
    if (!vm) throw new Error('the fleet has one VM only');
    const image = (await must(vm, ['docker', 'ps', '--format', '{{.Image}}'])).trim();
    await must(vm, ['docker', 'swarm', 'init', '--advertise-addr', vm.address]);

    const sides = { hand: [] as number[], swarm: [] as number[], ours: [] as number[] };
    const rounds = quick ? QUICK_ROUNDS : ROUNDS;
    const round = async (n: number): Promise<void> => {
      sides.hand.push(await byHand(vm, image, 31_000 + n));
      sides.swarm.push(await bySwarm(vm, image, 31_500 + n));
      sides.ours.push((await throughPlatform(url, api, `round-${n}`)).firstOk);
      const [hand, swarm, ours] = [sides.hand, sides.swarm, sides.ours].map((side) => side.at(-1)?.toFixed(0));
      process.stderr.write(`deploy ${n} of ${rounds}: by hand ${hand} ms, Swarm ${swarm} ms, ours ${ours} ms\n`);
    };
    await round(0);
    for (const side of Object.values(sides)) side.length = 0;
    for (let n = 1; n <= rounds; n += 1) await round(n);
    await must(vm, ['docker', 'swarm', 'leave', '--force']);

    const added: number[] = [];
    await api.reaches(await api.deploy('tiny', { instanceName: 'growing', scale: { min: 1, max: 10 } }), 'running');
    const { endpoint } = await api.instance('growing');
    for (let n = 0; n < rounds; n += 1) {
      added.push(await withTwo(api, endpoint ?? ''));
      await scale(api, 1);
      await sleep(SETTLE_MS);
    }
    return figures(sides, added);
  });
}

function figures({ hand, swarm, ours }: Record<'hand' | 'swarm' | 'ours', number[]>, added: number[]): Figure[] {
  const by = summarize(hand);
  const own = summarize(ours);
  const other = summarize(swarm);
  return [
    figure({
      name: 'image present -> first 200',
      unit: 'ms',
      ours,
      reference: { what: '`docker run` by hand on the VM', measured: hand },
      notes: ['ours from POST deployApp to the first 200 through NGINX; both asked every 4 ms'],
    }),
    figure({
      name: '  difference of p50',
      unit: 'ms',
      ours: [own.median - by.median],
      target: { text: '<= 400 ms', met: ({ median }) => median <= 400 },
    }),
    figure({
      name: '  p95, below Swarm’s median',
      unit: 'ms',
      ours: [own.p95 ?? own.max ?? own.median],
      reference: { what: '`docker service create` on the same VM, its median', measured: swarm },
      target: { text: '< Swarm p50', met: ({ median }) => median < other.median },
    }),
    figure({
      name: 'one more replica, asked for -> answering through NGINX',
      unit: 'ms',
      ours: added,
      reference: { what: 'by ssh and shell 1,430 ms (published)' },
      target: { text: '<= 500 ms', met: ({ median }) => median <= 500 },
    }),
  ];
}

async function byHand(vm: FleetVm, image: string, port: number): Promise<number> {
  const begin = performance.now();
  const publish = ['--publish', `${vm.address}:${port}:${PORT}`, '--env', `PORT=${PORT}`];
  await must(vm, ['docker', 'run', '--detach', '--name', `hand-${port}`, ...publish, image]);
  await firstOk(`http://${vm.address}:${port}`);
  const took = performance.now() - begin;
  await must(vm, ['docker', 'rm', '--force', `hand-${port}`]);
  await sleep(SETTLE_MS);
  return took;
}

async function bySwarm(vm: FleetVm, image: string, port: number): Promise<number> {
  const begin = performance.now();
  const publish = ['--publish', `mode=host,published=${port},target=${PORT}`, '--env', `PORT=${PORT}`];
  await must(vm, [
    'docker',
    'service',
    'create',
    '--detach',
    '--no-resolve-image',
    '--name',
    `swarm-${port}`,
    ...publish,
    image,
  ]);
  await firstOk(`http://${vm.address}:${port}`);
  const took = performance.now() - begin;
  await must(vm, ['docker', 'service', 'rm', `swarm-${port}`]);
  await sleep(SETTLE_MS);
  return took;
}

/** Milliseconds from asking for a second replica to an answer of each through the app's address. */
async function withTwo(api: Api, endpoint: string): Promise<number> {
  const begin = performance.now();
  await api.post('/api/deployedApps/scale/', { instanceName: 'growing', replicas: 2 });
  const answered = new Set<string>();
  await until('answers of two replicas', 10, async () => {
    const response = await fetch(endpoint, { headers: { connection: 'close' } });
    answered.add(await response.text());
    return answered.size === 2 ? true : null;
  });
  return performance.now() - begin;
}

async function scale(api: Api, replicas: number): Promise<void> {
  await api.post('/api/deployedApps/scale/', { instanceName: 'growing', replicas });
  await until(`${replicas} replicas`, 10, async () => {
    const instance = await api.instance('growing');
    const healthy = instance.replicas.filter(({ state }) => state === 'healthy').length;
    return healthy === replicas && instance.replicas.length === replicas ? true : null;
  });
}

async function must(vm: FleetVm, argv: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await vm.exec(argv);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')} on ${vm.name} ended with ${exitCode}: ${stderr}`);
  return stdout;
}
