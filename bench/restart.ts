import { setTimeout as sleep } from 'node:timers/promises';
import { signIn } from '../test/support/api.ts';
import { webApp } from '../test/support/apps.ts';
import { type Figure, figure } from './figures.ts';
import { type Entry, PASSWORD, startPlatform, until } from './platform.ts';
import { withScratch } from './scratch.ts';

const APPS = 5;
const RUNS = 8;
const QUICK_RUNS = 5;
const SETTLE_MS = 1000;

/** From the command to `Avishkar is ready`, with apps that were running when the platform was stopped. */
export function benchRestart(options: { quick: boolean }): Promise<Figure[]> {
  return withScratch(async (scratch) => {
    const flags = scratch.flags('home');
    let platform = await startPlatform(scratch, flags);
    const api = await signIn(platform.url, 'admin', PASSWORD);
    await api.provide(webApp('web'));
    const endpoints: string[] = [];
    for (let n = 0; n < APPS; n += 1) {
      const name = await api.deploy('web');
      endpoints.push((await api.reaches(name, 'running')).endpoint ?? '');
    }

    const ready: Record<Entry, number[]> = { bin: [], direct: [] };
    const serving: Record<Entry, number[]> = { bin: [], direct: [] };
    const runs = options.quick ? QUICK_RUNS : RUNS;
    // The first of each only fills the cache of compiled code.
    for (let run = -1; run < runs; run += 1) {
      for (const entry of run % 2 === 0 ? (['bin', 'direct'] as const) : (['direct', 'bin'] as const)) {
        await sleep(SETTLE_MS);
        await scratch.end(platform.child);
        const begin = performance.now();
        platform = await startPlatform(scratch, flags, entry);
        await until('all apps to answer', 10, async () => ((await allAnswer(endpoints)) ? true : null));
        const served = performance.now() - begin;
        if (run < 0) continue;
        ready[entry].push(platform.readyMs);
        serving[entry].push(served);
      }
      if (run < 0) continue;
      const last = `bin ${ready.bin.at(-1)?.toFixed(0)} ms, direct ${ready.direct.at(-1)?.toFixed(0)} ms`;
      process.stderr.write(`restart ${run + 1} of ${runs}: ${last}\n`);
    }
    const direct = (measured: number[]) => ({ what: 'node src/cli/main.ts up, the same without bin/', measured });
    return [
      figure({
        name: 'restart -> ready',
        unit: 'ms',
        ours: ready.bin,
        reference: direct(ready.direct),
        target: { text: '<= 1,500 ms', met: ({ median }) => median <= 1500 },
        notes: [`with ${APPS} apps that come back; node bin/avishkar.mjs up, compiled code cached`],
      }),
      figure({
        name: `  until all ${APPS} apps answer`,
        unit: 'ms',
        ours: serving.bin,
        reference: direct(serving.direct),
      }),
    ];
  });
}

async function allAnswer(urls: readonly string[]): Promise<boolean> {
  const answers = await Promise.all(
    urls.map(async (url) => {
      try {
        const answer = await fetch(url, { signal: AbortSignal.timeout(5000) });
        await answer.body?.cancel();
        return answer.status === 200;
      } catch {
        // Not yet.
        return false;
      }
    }),
  );
  return answers.every(Boolean);
}
