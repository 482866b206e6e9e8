#!/usr/bin/env node
// `npm run bench -- NAME [--json]`: one benchmark, both sides in one run.
import { prepare } from './prepare.mjs';
import { runNode } from './run.mjs';

const node = await prepare({ development: true });
await runNode(node, ['bench/main.ts', ...process.argv.slice(2)]);
