import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/adapters/clock/system.ts';
import { createHostKeyFile } from '../../src/adapters/host/ssh/host-key.ts';
import { createSshHost, type SshHostOptions } from '../../src/adapters/host/ssh/ssh.ts';
import type { Host } from '../../src/ports/host.ts';
import type { Log } from '../../src/ports/log.ts';
import type { HostHarness } from '../contracts/host.contract.ts';
import { eventually } from '../support/eventually.ts';
import type { FleetVm } from './vm.ts';

export interface SshLab {
  host: Host;
  /** Where the host's key is pinned. */
  pins: string;
  /** What was logged, sentence by sentence. */
  said: string[];
  cleanup: () => Promise<void>;
}

/** A VM over SSH, with pins of its own. */
export async function createSshLab(vm: FleetVm, changes: Partial<SshHostOptions> = {}): Promise<SshLab> {
  const here = await mkdtemp(join(tmpdir(), 'avishkar-ssh-'));
  const pins = join(here, 'host-keys.json');
  const said: string[] = [];
  const say = (_fields: object, sentence: string): void => void said.push(sentence);
  const log: Log = { debug: say, info: say, warn: say, error: say };
  const host = createSshHost({
    name: vm.name,
    address: vm.address,
    username: vm.user,
    privateKey: { path: vm.keyPath },
    pins: createHostKeyFile(pins),
    servicePath: vm.servicePath,
    replicas: () => new Map(),
    clock: systemClock,
    log,
    ...changes,
  });
  return {
    host,
    pins,
    said,
    async cleanup() {
      await host.close();
      await rm(here, { recursive: true, force: true });
    },
  };
}

/** The programs that run on a VM with these words in their command line. */
export async function running(vm: FleetVm, words: string): Promise<string[]> {
  const { stdout } = await vm.exec([
    'sh',
    '-c',
    'for i in /proc/[0-9]*; do tr "\\0" " " < $i/cmdline; echo; done 2>/dev/null',
  ]);
  return stdout.split('\n').filter((line) => line.includes(words));
}

let folders = 0;

/** The same as a machine to test on. */
export async function createSshHarness(vm: FleetVm): Promise<HostHarness> {
  const { host, cleanup } = await createSshLab(vm);
  folders += 1;
  const folder = `/home/${vm.user}/contract-${folders}`;
  await vm.exec(['install', '-d', '-o', vm.user, folder]);
  return {
    host,
    folder,
    async listen() {
      const port = 21_000 + Math.floor(Math.random() * 8_000);
      const pidFile = `/tmp/listener-${port}`;
      const listening = vm.exec(['sh', '-c', `echo $$ > ${pidFile}; exec busybox nc -ll -p ${port} -e /bin/true`]);
      await eventually(
        async () => (await vm.exec(['busybox', 'nc', '-w', '1', '127.0.0.1', `${port}`])).exitCode === 0,
      );
      return {
        port,
        async close() {
          await vm.exec(['sh', '-c', `kill -9 $(cat ${pidFile})`]);
          await listening;
        },
      };
    },
    async cleanup() {
      await cleanup();
      await vm.exec(['rm', '-rf', folder]);
    },
  };
}
