#!/usr/bin/env node
// `npm test`: every suite, or those whose path contains one of the arguments.
import { installEngines } from './engines.mjs';
import { prepare } from './prepare.mjs';
import { runNode } from './run.mjs';

installEngines();
const node = await prepare({ development: true, frontEnd: true });
await runNode(node, ['bin/run-tests.mjs', ...process.argv.slice(2)]);
