#!/usr/bin/env node
// `npm run check`: types, lint and format, import rules, dead code, and that time and chance come in as ports.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { prepare } from './prepare.mjs';
import { ROOT } from './run.mjs';

const node = await prepare({ development: true });
let failed = 0;

function tool(name, script, args, accept = (result) => result.status === 0) {
  const result = spawnSync(node, [join(ROOT, 'node_modules', script), ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` },
  });
  const passed = accept(result);
  console.log(`${passed ? 'ok    ' : 'FAILED'} ${name}`);
  if (!passed) {
    failed += 1;
    console.log(`${result.stdout}${result.stderr}`.trimEnd());
  }
}

/** Outside the adapters nothing reads a clock or rolls dice by itself: tests could not own it. */
function timeAndChance() {
  const direct =
    /\bDate\.now\(|new Date\(\)|performance\.now|node:timers|\bset(Timeout|Interval)\(|AbortSignal\.timeout|Math\.random|randomUUID/;
  const hits = [];
  for (const entry of readdirSync(join(ROOT, 'src'), { recursive: true, withFileTypes: true })) {
    const file = relative(ROOT, join(entry.parentPath, entry.name));
    // Tests own their time anyway.
    if (!file.endsWith('.ts') || /^src\/adapters\/|\.test\.ts$|\.fixture\.ts$/.test(file)) continue;
    readFileSync(join(ROOT, file), 'utf8')
      .split('\n')
      .forEach((line, index) => {
        if (direct.test(line)) hits.push(`${file}:${index + 1}: ${line.trim()}`);
      });
  }
  console.log(`${hits.length === 0 ? 'ok    ' : 'FAILED'} time and chance`);
  if (hits.length > 0) {
    failed += 1;
    console.log(hits.join('\n'));
  }
}

tool('types', 'typescript/bin/tsc', ['-p', '.']);
tool('types of the front end', 'typescript/bin/tsc', ['-p', 'web']);
// They run on Node, the front end itself does not.
tool('types of its tests', 'typescript/bin/tsc', ['-p', 'web/tsconfig.test.json']);
tool('lint and format', '@biomejs/biome/bin/biome', ['check', '.']);
tool(
  'import rules',
  'dependency-cruiser/bin/dependency-cruiser.mjs',
  ['src', 'web/src', '--config', '.dependency-cruiser.cjs'],
  (result) => {
    const modules = Number(/(\d+) modules/.exec(result.stdout)?.[1] ?? 0);
    return result.status === 0 && modules > 50;
  },
);
tool('dead code', 'knip/bin/knip.js', []);
timeAndChance();
process.exitCode = failed === 0 ? 0 : 1;
