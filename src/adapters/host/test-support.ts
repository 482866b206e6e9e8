import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostHarness } from '../../../test/contracts/host.contract.ts';
import { systemClock } from '../clock/system.ts';
import { createLocalHost, type LocalHostOptions } from './local.ts';

/** This machine with a temporary folder, for tests. */
export async function createLocalHarness(changes: Partial<LocalHostOptions> = {}): Promise<HostHarness> {
  const folder = await mkdtemp(join(tmpdir(), 'avishkar-host-'));
  return {
    host: createLocalHost({
      name: 'VM1',
      address: '127.0.0.1',
      home: folder,
      clock: systemClock,
      usage: async () => [],
      ...changes,
    }),
    folder,
    async listen() {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return {
        port: (server.address() as AddressInfo).port,
        close: () => new Promise((resolve) => server.close(() => resolve())),
      };
    },
    cleanup: () => rm(folder, { recursive: true, force: true }),
  };
}
