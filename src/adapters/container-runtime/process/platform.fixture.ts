/**
 * A platform to kill: makes the image, starts the container (unless told only to build), prints a line of JSON, and
 * stays. Run by the tests as a process of its own; argument: JSON of what `createPlatformProcess` is given.
 */

import { bundleOf } from '../../../../test/support/zip.ts';
import { manifestSchema } from '../../../domain/manifest.ts';
import { systemClock } from '../../clock/system.ts';
import { createProcessRuntime } from './runtime.ts';

const { home, files, spec } = JSON.parse(process.argv[2] ?? '{}');
const manifest = manifestSchema.parse({ name: 'probe', version: '1.0.0', runtime: 'node', entry: 'main.js' });
const signal = new AbortController().signal;
const runtime = await createProcessRuntime({
  home,
  node: 'VM1',
  clock: systemClock,
  log: (line) => console.error(line),
});
await runtime.ensureImage(
  { image: spec.image, manifest, bundle: bundleOf(files) },
  { signal, log: (line) => console.log(JSON.stringify({ line })) },
);
const info = await runtime.start({ ...spec, manifest, resources: manifest.resources }, { signal });
console.log(JSON.stringify({ info }));
setInterval(() => undefined, 60_000);
