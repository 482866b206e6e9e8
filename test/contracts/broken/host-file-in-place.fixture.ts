import { chmod, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createLocalHarness } from '../../../src/adapters/host/test-support.ts';
import type { Host } from '../../../src/ports/host.ts';
import { hostContract } from '../host.contract.ts';

const putFile: Host['putFile'] = async (path, data, { signal, mode }) => {
  signal.throwIfAborted();
  await mkdir(dirname(path), { recursive: true });
  await using file = await open(path, 'w');
  const bytes = Buffer.from(data as string);
  // In two halves, so that a reader can meet the one without the other.
  await file.write(bytes.subarray(0, bytes.length / 2));
  await new Promise((resolve) => setTimeout(resolve, 20));
  await file.write(bytes.subarray(bytes.length / 2));
  await chmod(path, mode ?? 0o644);
};

hostContract('A host that writes files in place', {
  create: async () => {
    const harness = await createLocalHarness();
    return { ...harness, host: { ...harness.host, putFile } };
  },
});
