import type { VmLogin } from '../domain/node.ts';
import type { PortRange } from '../domain/ports.ts';
import type { VmEntry } from '../domain/service-entry.ts';
import type { ContainerRuntime } from './container-runtime.ts';
import type { Host } from './host.ts';

/** One machine with what reaches it. */
export interface Machine {
  host: Host;
  runtime: ContainerRuntime;
  /** Ports for replicas. */
  ports: PortRange;
  login: VmLogin;
}

/** The machines that this process reaches, by name. Which there are is the node manager's to say. */
export interface Machines {
  /** Why machines can neither come nor go, if they cannot. */
  readonly fixed: string | null;
  list(): readonly Machine[];
  /** @throws AvkError AVK_HOST_UNREACHABLE when there is none of that name */
  get(name: string): Machine;
  has(name: string): boolean;
  /**
   * Makes a machine without taking it in, e.g. to look at it first; nothing is kept of it then. The caller takes it in
   * or closes it.
   *
   * @throws AvkError AVK_UNACCEPTABLE where machines are not to be added
   */
  open(entry: VmEntry): Machine;
  /** Takes a machine in. One of the same name is replaced. */
  add(machine: Machine): void;
  /** Lets go of a machine, and of what is kept open to it. Harmless when it is gone. */
  remove(name: string): Promise<void>;
  /** Tells of machines that come and go. Returns the way to stop listening. */
  onChange(listener: (change: { added: Machine } | { removed: string }) => void): () => void;
}
