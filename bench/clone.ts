import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Figure, figure } from './figures.ts';
import { newcomerEnvironment } from './newcomer.ts';
import { ROOT, until, watch, within } from './platform.ts';
import { withScratch } from './scratch.ts';

const RUNS = 2;
const DEADLINE_MS = 300_000;
const SERVED = /^The sample app \S+ is served at (\S+)$/m;

/** What somebody waits who has just heard of the platform: git clone, npm start, the sample app's first 200. */
export async function benchClone(options: { quick: boolean }): Promise<Figure[]> {
  const seconds: number[] = [];
  const notes = new Set(["HEAD, with npm's cache as it is on this machine"]);
  for (let run = 0; run < (options.quick ? 1 : RUNS); run += 1) {
    const { took, fetched, node } = await cloneAndStart();
    seconds.push(took);
    notes.add(`started with Node ${node}${fetched ? '; a newer Node was fetched' : '; no Node had to be fetched'}`);
    process.stderr.write(`clone ${run + 1}: ${took.toFixed(1)} s\n`);
  }
  return [
    figure({
      name: 'git clone -> sample app answers 200',
      unit: 's',
      ours: seconds,
      reference: { what: 'Dokku 5-10 min (published)' },
      target: { text: '<= 90 s', met: ({ median }) => median <= 90 },
      notes: [...notes],
    }),
  ];
}

function cloneAndStart(): Promise<{ took: number; fetched: boolean; node: string }> {
  return withScratch(async (scratch) => {
    const checkout = join(scratch.folder, 'checkout');
    const env = newcomerEnvironment();
    const begin = performance.now();
    // Not by path: that would link the files instead of copying them.
    const clone = scratch.spawn('git', ['clone', '--quiet', `file://${ROOT}`, checkout], { env, stdio: 'inherit' });
    const [code] = await once(clone, 'exit');
    if (code !== 0) throw new Error(`git clone ended with ${code}`);
    const npm = scratch.spawn('npm', ['start', '--', ...scratch.flags('home')], {
      cwd: checkout,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [, url = ''] = await within(DEADLINE_MS, 'the sample app', watch(npm, SERVED).line);
    await until('the sample app to answer', 10, async () => ((await fetch(url)).status === 200 ? true : null));
    const took = (performance.now() - begin) / 1000;
    const node = execFileSync('node', ['--version'], { env, encoding: 'utf8' }).trim();
    return { took, fetched: existsSync(join(checkout, '.node')), node };
  });
}
