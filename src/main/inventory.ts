import { readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { z } from 'zod';
import {
  entryOf,
  type Inventory,
  readEntries,
  serviceEntrySchema,
  type VmEntry,
  vmEntrySchema,
} from '../domain/service-entry.ts';
import { entryName, SERVICES, type ServiceName, TITLES } from '../kernel/service.ts';
import type { Home } from './home.ts';

/** The load balancer comes first, as all others are registered with it; what is up anyway comes last. */
const ORDER: readonly ServiceName[] = [
  'load-balancer',
  'node-manager',
  'deployment-manager',
  'scheduler',
  'sensor-manager',
  'fault-monitor',
  'authenticator',
  'application-manager',
  'platform-initializer',
];

/** This machine may go by a name: `--host` takes one. */
const ownMachineSchema = vmEntrySchema.extend({ vm_ip: z.string().min(1) });

/**
 * Writes services.json and vm-details.json of an embedded platform into its home, in the starting document's shape, and
 * returns the way to read them. They follow from the flags of `up` and are written anew at each start.
 */
export async function embeddedInventory(
  home: Home,
  portOf: (service: ServiceName) => number,
  machines: readonly { name: string; address: string }[],
): Promise<() => Promise<Inventory>> {
  // Any free ports: those in the file are only what the starting document's shape asks for.
  const port = (service: ServiceName): number => portOf(service) || 8010 + SERVICES.indexOf(service);
  const services = ORDER.map((service) =>
    entryOf(TITLES[service].replaceAll(' ', ''), entryName(service), port(service)),
  );
  const vms = machines.map(
    ({ name, address }): VmEntry => ({
      vm_name: name,
      vm_ip: address,
      vm_username: userInfo().username,
      vm_key_path: '',
      vm_service_path: home.path('nodes', name),
    }),
  );
  const servicesFile = home.path('services.json');
  const machinesFile = home.path('vm-details.json');
  await writeFile(servicesFile, `${JSON.stringify(services, null, 2)}\n`);
  await writeFile(machinesFile, `${JSON.stringify(vms, null, 2)}\n`);
  return async () => ({
    services: readEntries(
      servicesFile,
      await readFile(servicesFile, 'utf8'),
      serviceEntrySchema,
      (entry) => entry.service_name,
    ),
    machines: readEntries(
      machinesFile,
      await readFile(machinesFile, 'utf8'),
      ownMachineSchema,
      (entry) => entry.vm_name,
    ),
  });
}
