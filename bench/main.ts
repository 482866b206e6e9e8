/**
 * `npm run bench -- NAME [--json]`: measures ours and what it is held against in one run, in turns. Progress goes to
 * stderr; the table, or with `--json` one object, to stdout. Loopback only; takes away all that it put on the machine.
 */
import { parseArgs } from 'node:util';
import { messageOf } from '../src/domain/errors.ts';
import { CONTROLLER } from './controller.ts';
import { type Bench, EMBEDDED, proxyFigures } from './embedded.ts';
import { type Figure, machine, table } from './figures.ts';
import { benchSchedules } from './schedules.ts';
import { endEverything } from './scratch.ts';

const NAMES: Record<string, Record<string, Bench>> = {
  embedded: EMBEDDED,
  proxy: { proxy: proxyFigures },
  schedules: { schedules: benchSchedules },
  controller: CONTROLLER,
};

const USAGE = `usage: npm run bench -- NAME [--json] [--quick] [--only PART,...]
  NAME     ${Object.keys(NAMES).join(' | ')}
  --json   one object with every figure on stdout
  --quick  fewer rounds and shorter waits, for trying out
  --only   some parts of embedded (${Object.keys(EMBEDDED).join(', ')}) or controller (${Object.keys(CONTROLLER).join(', ')})
`;

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.once(signal, async () => {
    await endEverything();
    process.exit(code);
  });
}

process.exitCode = await main();

async function main(): Promise<number> {
  const asked = readArguments();
  if (!asked) {
    process.stderr.write(USAGE);
    return 2;
  }
  const startedAt = new Date();
  const figures: Figure[] = [];
  const failed: { part: string; reason: string }[] = [];
  for (const [part, bench] of asked.parts) {
    process.stderr.write(`${part} …\n`);
    try {
      figures.push(...(await bench({ quick: asked.quick })));
    } catch (error) {
      process.stderr.write(`${part} failed: ${messageOf(error)}\n`);
      failed.push({ part, reason: messageOf(error) });
    }
  }
  const seconds = Math.round((Date.now() - startedAt.getTime()) / 1000);
  const { name, quick } = asked;
  if (asked.json) {
    const report = { name, quick, startedAt: startedAt.toISOString(), seconds, machine: machine(), figures, failed };
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  } else {
    const { cores, cpu, memoryMb, node } = machine();
    process.stdout.write(`${name} on ${cores} cores (${cpu}), ${memoryMb} MB, Node ${node}; took ${seconds} s\n\n`);
    process.stdout.write(`${table(figures)}\n`);
    for (const { part, reason } of failed) process.stdout.write(`FAILED ${part}: ${reason}\n`);
  }
  return failed.length === 0 ? 0 : 1;
}

function readArguments(): { name: string; json: boolean; quick: boolean; parts: [string, Bench][] } | null {
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: { json: { type: 'boolean' }, quick: { type: 'boolean' }, only: { type: 'string' } },
    });
    const [name = '', ...more] = positionals;
    const bench = Object.hasOwn(NAMES, name) ? NAMES[name] : undefined;
    if (!bench || more.length > 0) return null;
    const only = values.only?.split(',');
    if (only?.some((part) => !Object.hasOwn(bench, part))) return null;
    const parts = Object.entries(bench).filter(([part]) => !only || only.includes(part));
    return { name, json: values.json ?? false, quick: values.quick ?? false, parts };
  } catch {
    // An option that is not there.
    return null;
  }
}
