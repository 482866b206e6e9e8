import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Figure, figure } from './figures.ts';
import { type BenchPlatform, startPlatform } from './platform.ts';
import { withScratch } from './scratch.ts';

const PLATFORMS = 3;
const WAIT_MS = 60_000;
const QUICK_WAIT_MS = 10_000;

interface Use {
  rss: number;
  pss: number;
  peak: number;
  /** RSS of the process that found a fitting Node and waits for the platform to end. */
  launcher: number;
}

/** What the platform holds when nothing is deployed, a while after it is ready. */
export function benchMemory(options: { quick: boolean }): Promise<Figure[]> {
  return withScratch(async (scratch) => {
    const waitMs = options.quick ? QUICK_WAIT_MS : WAIT_MS;
    const uses: Use[] = [];
    const waiting: Promise<void>[] = [];
    for (let n = 0; n < PLATFORMS; n += 1) {
      const platform = await startPlatform(scratch, scratch.flags(`home-${n}`));
      waiting.push(
        sleep(waitMs).then(() => {
          uses.push(useOf(platform));
        }),
      );
    }
    process.stderr.write(`memory: ${PLATFORMS} platforms are ready, waiting ${waitMs / 1000} s\n`);
    await Promise.all(waiting);
    const of = (pick: (use: Use) => number): number[] => uses.map(pick);
    return [
      figure({
        name: 'memory of the platform, RSS',
        unit: 'MB',
        ours: of(({ rss }) => rss),
        reference: { what: 'Dokploy 350-630 MB, Coolify 500-1,200 MB (published)' },
        target: { text: '<= 150 MB', met: ({ median }) => median <= 150 },
        notes: [`no apps, ${waitMs / 1000} s after ready, the platform's process alone; MB is 1024 kB x 1024`],
      }),
      figure({ name: '  PSS', unit: 'MB', ours: of(({ pss }) => pss) }),
      figure({ name: '  highest RSS since its start', unit: 'MB', ours: of(({ peak }) => peak) }),
      figure({ name: '  RSS of bin/avishkar.mjs, beside it', unit: 'MB', ours: of(({ launcher }) => launcher) }),
    ];
  });
}

function useOf({ pid, child }: BenchPlatform): Use {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    rss: megabytes(rollup, 'Rss'),
    pss: megabytes(rollup, 'Pss'),
    peak: megabytes(status, 'VmHWM'),
    launcher: megabytes(readFileSync(`/proc/${child.pid}/status`, 'utf8'), 'VmRSS'),
  };
}

function megabytes(text: string, field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text);
  if (!match) throw new Error(`expected ${field} in ${text}`);
  return Number(match[1]) / 1024;
}
