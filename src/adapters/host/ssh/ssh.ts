import type { Clock } from '../../../ports/clock.ts';
import type { Host } from '../../../ports/host.ts';
import type { Log } from '../../../ports/log.ts';
import type { Sessions } from './channel.ts';
import { type Commands, runOverSsh } from './command.ts';
import { keepConnection } from './connection.ts';
import type { Machine } from './failure.ts';
import { createFiles } from './files.ts';
import { connectThrough } from './forward.ts';
import type { HostKeyPins } from './host-key.ts';
import { listeningPorts } from './listening.ts';
import { probeOverSsh } from './probe.ts';
import type { ReplicaLimits } from './probe-reading.ts';
import { createSlots } from './slots.ts';

export interface SshHostOptions {
  /** As in vm-details.json. */
  name: string;
  address: string;
  /** Default 22. */
  port?: number;
  username: string;
  /** A file without a passphrase, or the socket of an SSH agent, empty where there is none. Looked at when it is used. */
  privateKey: { path: string } | { agent: string };
  /** As the configuration gives it: `SHA256:…` or `ssh-ed25519 AAAA…`. Without it the key shown at first use is pinned. */
  hostKey?: string;
  pins: HostKeyPins;
  /** A folder on the file system whose disk is measured; it need not exist yet. */
  servicePath: string;
  /** The replicas on the machine, by the id of their container. */
  replicas: () => ReplicaLimits;
  clock: Clock;
  log: Log;
}

/**
 * Programs at once. SSH's server opens ten sessions per connection unless it is told otherwise, and the probe, SFTP and
 * the ending of programs need one each.
 */
const PROGRAMS_AT_ONCE = 6;

/** A machine that is reached over one kept SSH connection, made at first need. */
export function createSshHost(options: SshHostOptions): Host {
  const { name, address, port = 22, username, privateKey, hostKey, pins, servicePath, replicas, clock, log } = options;
  const machine: Machine = { name, address, port, username, privateKey };
  const connection = keepConnection({ machine, ...(hostKey === undefined ? {} : { hostKey }), pins, clock, log });
  const { get } = connection;
  const sessions = (most: number): Sessions => ({ machine, clock, get, slots: createSlots(most) });
  const commands: Commands = { ...sessions(PROGRAMS_AT_ONCE), killing: createSlots(1), log };
  const probes = sessions(2);
  const putFile = createFiles({ machine, clock, log, get });

  const host: Host = {
    name,
    address,
    run: (argv, { signal, stdin }) => runOverSsh(commands, argv, { signal, ...(stdin === undefined ? {} : { stdin }) }),
    putFile,
    connect: (target, { signal }) => connectThrough({ machine, clock, get, run: host.run }, target, { signal }),
    probe: (probing) => probeOverSsh({ ...probes, servicePath, replicas, run: host.run }, probing),
    async portFree(wanted) {
      const signal = new AbortController().signal;
      const { stdout } = await host.run(['grep', '-hs', ' 0A ', '/proc/net/tcp', '/proc/net/tcp6'], { signal });
      return !listeningPorts(stdout).has(wanted);
    },
    close: () => connection.close(),
  };
  return host;
}
