import { serviceRegistryContract } from '../service-registry.contract.ts';
import { sqliteRegistryLab } from './service-registry-lab.ts';

/** Lets an owner have as many sessions as it likes. */
let count = 0;
serviceRegistryContract('many sessions', {
  create: () => sqliteRegistryLab((registry) => ({ session: (owner) => registry.session(`${owner}-${count++}`) })),
});
