import { connect } from 'node:net';
import { dirname } from 'node:path';
import { openConnection } from '../../src/adapters/host/open-connection.ts';
import type { Host } from '../../src/ports/host.ts';
import type { FleetVm } from './vm.ts';

/** A VM without SSH in between: what is asked of it is done inside at once. For tests of what stands on a Host. */
export function createVmHost(vm: FleetVm): Host {
  const asUser = (argv: readonly string[]): string[] => [
    'setpriv',
    '--reuid',
    vm.user,
    '--regid',
    vm.user,
    '--init-groups',
    ...argv,
  ];
  return {
    name: vm.name,
    address: vm.address,
    async run(argv, { signal, stdin }) {
      signal.throwIfAborted();
      return vm.exec(asUser(argv), stdin === undefined ? {} : { stdin });
    },
    async putFile(path, data, { signal, mode }) {
      signal.throwIfAborted();
      const script = 'mkdir -p "$1" && base64 -d > "$2.tmp" && chmod "$3" "$2.tmp" && mv "$2.tmp" "$2"';
      const argv = ['sh', '-c', script, 'sh', dirname(path), path, (mode ?? 0o644).toString(8)];
      const { exitCode, stderr } = await vm.exec(asUser(argv), {
        stdin: Buffer.from(data as string).toString('base64'),
      });
      if (exitCode !== 0) throw new Error(`${path} could not be written on ${vm.name}: ${stderr}`);
    },
    portFree: (port) =>
      new Promise((resolve) => {
        const socket = connect({ host: vm.address, port });
        socket.on('connect', () => resolve(false)).on('error', () => resolve(true));
        socket.on('connect', () => socket.destroy());
      }),
    connect: (target, { signal }) =>
      openConnection('socket' in target ? { socket: vm.path('/run/docker.sock') } : target, signal),
    // biome-ignore lint/correctness/useYield: there is no sample to wait for
    async *probe() {
      throw new Error('not here');
    },
    async close() {
      // Nothing is kept open.
    },
  };
}
