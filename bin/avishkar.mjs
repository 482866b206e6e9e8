#!/usr/bin/env node
// Plain JavaScript for Node 20 and later: finds or fetches what the platform needs, then hands over to it.
import { prepare } from './prepare.mjs';
import { runNode } from './run.mjs';

const node = await prepare({ development: false, frontEnd: process.argv[2] === 'up' });
await runNode(node, ['src/cli/main.ts', ...process.argv.slice(2)]);
