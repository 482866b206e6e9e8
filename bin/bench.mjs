#!/usr/bin/env node
// `npm run bench -- NAME [--json]`: one benchmark, both sides in one run.
import { installEngines } from './engines.mjs';
import { prepare } from './prepare.mjs';
import { runNode } from './run.mjs';

// Measured on a fleet of fake VMs.
if (process.argv.includes('controller')) installEngines();
const node = await prepare({ development: true });
await runNode(node, ['bench/main.ts', ...process.argv.slice(2)]);
