#!/usr/bin/env node
// `npm run fleet -- up N | down`: fake VMs on this machine, see test/fleet.
import { installEngines } from './engines.mjs';
import { prepare } from './prepare.mjs';
import { runNode } from './run.mjs';

if (process.argv[2] === 'up') installEngines();
const node = await prepare({ development: true });
await runNode(node, ['test/fleet/main.ts', ...process.argv.slice(2)]);
