import { systemClock } from '../../../src/adapters/clock/system.ts';
import { createInProcessTransport, type Injectable } from '../../../src/adapters/service-transport/in-process.ts';
import type { ServiceTransport } from '../../../src/ports/service-transport.ts';
import type { ServiceTransportLab } from '../service-transport.contract.ts';

/** Services of this process; `breakIt` replaces methods. */
export async function inProcessLab(
  breakIt: (transport: ServiceTransport) => Partial<ServiceTransport> = () => ({}),
): Promise<ServiceTransportLab> {
  const transport = createInProcessTransport(systemClock);
  return {
    transport: { ...transport, ...breakIt(transport) },
    add: async (service, app) => transport.add(service, app as unknown as Injectable),
    remove: async (service) => transport.remove(service),
    cleanup: async () => undefined,
  };
}
