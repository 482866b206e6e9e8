import { mkdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Api, signIn } from '../test/support/api.ts';
import { appOf } from '../test/support/apps.ts';
import { firstOk, SETTLE_MS, stop, throughPlatform } from './deploying.ts';
import { type Figure, figure, summarize } from './figures.ts';
import { messagingShare } from './journal.ts';
import { homeOf, PASSWORD, startPlatform, until } from './platform.ts';
import { type Scratch, withScratch } from './scratch.ts';

const PAIRS = 30;
const QUICK_PAIRS = 20;
const UNWATCHED = 25;
/** Long enough not to be felt by what is measured. */
const SELDOM_MS = 100;

const MAIN = `const http = require('node:http');
http.createServer((_, answer) => answer.end('ok')).listen(process.env.PORT, '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
`;

/** From an image that is there to the first 200, by hand and through the platform; and what messages and state take. */
export function benchDeploy(options: { quick: boolean }): Promise<Figure[]> {
  return withScratch(async (scratch) => {
    const flags = scratch.flags('home');
    const platform = await startPlatform(scratch, flags);
    const api = await signIn(platform.url, 'admin', PASSWORD);
    await api.provide(appOf('tiny', MAIN, { health: { path: '/' } }));
    // Builds the image, and keeps it in use.
    await api.reaches(await api.deploy('tiny', { instanceName: 'keeper' }), 'running');

    const pairs = options.quick ? QUICK_PAIRS : PAIRS;
    const byHand: number[] = [];
    const ours: number[] = [];
    const routed: number[] = [];
    await throughPlatform(platform.url, api, 'warm-up');
    await direct(scratch);
    for (let n = 0; n < pairs; n += 1) {
      const turns = [
        async () => byHand.push(await direct(scratch)),
        async () => {
          const took = await throughPlatform(platform.url, api, `pair-${n}`);
          ours.push(took.firstOk);
          routed.push(took.endpoint);
        },
      ];
      // Who comes first changes, so that neither always finds the warmer machine.
      if (n % 2 === 1) turns.reverse();
      for (const turn of turns) await turn();
      process.stderr.write(
        `deploy ${n + 1} of ${pairs}: by hand ${byHand.at(-1)?.toFixed(0)} ms, ours ${ours.at(-1)?.toFixed(0)} ms\n`,
      );
    }
    const shares = await unwatched(api, homeOf(flags));
    return [...deployFigures(byHand, ours, routed), ...shares];
  });
}

function deployFigures(byHand: number[], ours: number[], routed: number[]): Figure[] {
  const reference = { what: 'node main.js by hand, to its first 200', measured: byHand };
  const hand = summarize(byHand);
  const own = summarize(ours);
  const more = (a: number | null, b: number | null): number => (a ?? Number.NaN) - (b ?? Number.NaN);
  return [
    figure({
      name: 'image ready -> first 200',
      unit: 'ms',
      ours,
      reference,
      notes: ['from POST deployApp; the end point is asked for every 4 ms over a new connection, then asked itself'],
    }),
    figure({
      name: '  difference of p50',
      unit: 'ms',
      ours: [more(own.median, hand.median)],
      target: { text: '<= 150 ms', met: ({ median }) => median <= 150 },
    }),
    figure({
      name: '  difference of p95',
      unit: 'ms',
      ours: [more(own.p95, hand.p95)],
      target: { text: '<= 400 ms', met: ({ median }) => median <= 400 },
    }),
    figure({ name: '  until the end point is known', unit: 'ms', ours: routed }),
  ];
}

/** Deployments that nobody watches: the questions of a poll would be measured with them. */
async function unwatched(api: Api, home: string): Promise<Figure[]> {
  const names: string[] = [];
  for (let n = 0; n < UNWATCHED; n += 1) {
    const name = `unwatched-${n}`;
    await api.deploy('tiny', { instanceName: name });
    await sleep(400);
    await until(`${name} to run`, SELDOM_MS, async () =>
      (await api.instance(name)).state === 'running' ? true : null,
    );
    await stop(api, name);
    names.push(name);
    process.stderr.write(`messaging share ${n + 1} of ${UNWATCHED}\n`);
  }
  return messagingShare(home, names);
}

/** What a person does: starts the app, asks it until it answers. */
async function direct(scratch: Scratch): Promise<number> {
  const folder = join(scratch.folder, 'by-hand');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'main.js'), MAIN);
  const port = await unusedPort();
  const env = { PATH: process.env.PATH, HOME: folder, PORT: String(port), NODE_ENV: 'production' };
  const begin = performance.now();
  const child = scratch.spawn(process.execPath, ['main.js'], { cwd: folder, env, stdio: 'ignore' });
  await firstOk(`http://127.0.0.1:${port}`);
  const took = performance.now() - begin;
  await scratch.end(child, 'SIGKILL');
  await sleep(SETTLE_MS);
  return took;
}

async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
