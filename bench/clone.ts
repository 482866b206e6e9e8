import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Figure, figure } from './figures.ts';
import { cleanEnvironment, pathWithoutThisNode, ROOT, until, watch, within } from './platform.ts';
import { withScratch } from './scratch.ts';

const RUNS = 2;
const DEADLINE_MS = 300_000;
const SERVED = /^The sample app \S+ is served at (\S+)$/m;

/** What somebody waits who has just heard of the platform: git clone, npm start, the sample app's first 200. */
export async function benchClone(options: { quick: boolean }): Promise<Figure[]> {
  const seconds: number[] = [];
  const notes = new Set<string>();
  for (let run = 0; run < (options.quick ? 1 : RUNS); run += 1) {
    const result = await once_();
    seconds.push(result.seconds);
    notes.add(result.note);
    process.stderr.write(`clone ${run + 1}: ${result.seconds.toFixed(1)} s (${result.note})\n`);
  }
  return [
    figure({
      name: 'git clone -> sample app answers 200',
      unit: 's',
      ours: seconds,
      reference: { what: 'Dokku 5-10 min (published)' },
      target: { text: '<= 90 s', met: ({ max }) => max <= 90 },
      notes: [...notes],
    }),
  ];
}
