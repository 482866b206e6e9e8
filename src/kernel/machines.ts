import { AvkError } from '../domain/errors.ts';
import type { VmEntry } from '../domain/service-entry.ts';
import type { Machine, Machines } from '../ports/machines.ts';

/** @param open makes what reaches a machine; or, where machines can neither come nor go, why they cannot */
export function createMachines(initial: readonly Machine[], open: ((entry: VmEntry) => Machine) | string): Machines {
  const machines = new Map(initial.map((machine) => [machine.host.name, machine]));
  const listeners = new Set<Parameters<Machines['onChange']>[0]>();

  async function close({ host, runtime }: Machine): Promise<void> {
    await runtime.close();
    await host.close();
  }

  return {
    fixed: typeof open === 'string' ? open : null,
    list: () => [...machines.values()],
    get(name) {
      const machine = machines.get(name);
      if (!machine) throw new AvkError('AVK_HOST_UNREACHABLE', `the platform has no machine ${name}`);
      return machine;
    },
    has: (name) => machines.has(name),
    open(entry) {
      if (typeof open === 'string') throw new AvkError('AVK_UNACCEPTABLE', open);
      return open(entry);
    },
    add(machine) {
      machines.set(machine.host.name, machine);
      for (const listener of listeners) listener({ added: machine });
    },
    async remove(name) {
      const machine = machines.get(name);
      if (!machine) return;
      machines.delete(name);
      for (const listener of listeners) listener({ removed: name });
      await close(machine);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}
