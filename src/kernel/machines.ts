import { AvkError } from '../domain/errors.ts';
import type { VmEntry } from '../domain/service-entry.ts';
import type { Machine, Machines } from '../ports/machines.ts';

/** @param open makes what reaches a machine */
export function createMachines(initial: readonly Machine[], open: (entry: VmEntry) => Machine): Machines {
  const machines = new Map(initial.map((machine) => [machine.host.name, machine]));
  const listeners = new Set<Parameters<Machines['onChange']>[0]>();

  async function close({ host, runtime }: Machine): Promise<void> {
    await runtime.close();
    await host.close();
  }

  return {
    list: () => [...machines.values()],
    get(name) {
      const machine = machines.get(name);
      if (!machine) throw new AvkError('AVK_HOST_UNREACHABLE', `the platform has no machine ${name}`);
      return machine;
    },
    has: (name) => machines.has(name),
    open,
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
