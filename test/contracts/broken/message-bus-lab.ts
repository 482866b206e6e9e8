import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/adapters/clock/system.ts';
import { createSqliteBus } from '../../../src/adapters/message-bus/sqlite.ts';
import type { MessageBus } from '../../../src/ports/message-bus.ts';
import type { MessageBusLab } from '../message-bus.contract.ts';

/** A bus in a folder of its own; `breakIt` replaces methods. */
export async function sqliteBusLab(
  breakIt: (bus: MessageBus) => Partial<MessageBus> = () => ({}),
): Promise<MessageBusLab & { path: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'avk-bus-'));
  const path = join(directory, 'bus.db');
  const open = (): MessageBus => {
    const bus = createSqliteBus({ path, clock: systemClock });
    return { ...bus, ...breakIt(bus) };
  };
  const lab = {
    path,
    bus: open(),
    async reopen() {
      await lab.bus.close();
      lab.bus = open();
      return lab.bus;
    },
    async cleanup() {
      await lab.bus.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return lab;
}
