import { setTimeout as sleep } from 'node:timers/promises';
import { BASE_IMAGES } from '../test/fleet/fleet.ts';
import type { FleetVm } from '../test/fleet/vm.ts';
import { type Figure, figure } from './figures.ts';
import { hostOf, withFleet } from './fleet.ts';

const CONTAINERS = 100;
const EVERY_MS = 500;
const WINDOWS = 6;
const WINDOW_MS = 5000;
/** USER_HZ. */
const TICKS_PER_SECOND = 100;

/** What the probe itself takes of a VM with a hundred containers: all that runs for its SSH session there. */
export function benchProbe({ quick }: { quick: boolean }): Promise<Figure[]> {
  return withFleet(1, async ({ scratch, fleet }) => {
    const [vm] = fleet.vms as [FleetVm];
    const count = quick ? 20 : CONTAINERS;
    process.stderr.write(`starting ${count} containers …\n`);
    const start =
      'for i in $(seq "$1"); do docker run --detach --network none "$2" sleep 100000 > /dev/null || exit 1; done';
    const { exitCode, stderr } = await vm.exec(['sh', '-c', start, 'sh', String(count), BASE_IMAGES.node]);
    if (exitCode !== 0) throw new Error(`the containers could not be started: ${stderr}`);
    const ids = (await vm.exec(['docker', 'ps', '--quiet', '--no-trunc'])).stdout.trim().split('\n');
    const host = hostOf(scratch, vm, new Map(ids.map((id) => [id, { id, cpus: 1, memoryMb: 256 }])));
    const stop = new AbortController();
    let samples = 0;
    let seen = 0;
    const probing = (async () => {
      for await (const sample of host.probe({ everyMs: EVERY_MS, signal: stop.signal })) {
        samples += 1;
        seen = sample.replicas.length;
      }
    })();
    try {
      await sleep(2000);
      const shares: number[] = [];
      for (let n = 0; n < (quick ? 2 : WINDOWS); n += 1) {
        const before = await ticks(vm);
        await sleep(WINDOW_MS);
        shares.push((((await ticks(vm)) - before) / TICKS_PER_SECOND / (WINDOW_MS / 1000)) * 100);
        process.stderr.write(`probe: ${shares.at(-1)?.toFixed(2)} % of a core\n`);
      }
      return [
        figure({
          name: `probe on a VM with ${count} containers, share of a core`,
          unit: '%',
          ours: shares,
          reference: { what: '`docker stats --no-stream` takes 1.8 s for one container (published)' },
          target: { text: '<= 2 %', met: ({ median }) => median <= 2 },
          notes: [`a sample every ${EVERY_MS} ms with ${seen} containers in it; ${samples} came`],
        }),
      ];
    } finally {
      stop.abort();
      await probing;
      await host.close();
    }
  });
}

/** Processor time of all that the platform's user runs on the VM, sshd's part for it included. */
async function ticks(vm: FleetVm): Promise<number> {
  const script = 'for p in $(ps -o pid= -u "$1"); do cut -d" " -f14-17 /proc/$p/stat 2>/dev/null; done';
  const { stdout } = await vm.exec(['sh', '-c', script, 'sh', vm.user]);
  return stdout.split(/\s+/).reduce((sum, word) => sum + Number(word), 0);
}
