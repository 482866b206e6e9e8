import { serviceRegistryContract } from '../service-registry.contract.ts';
import { sqliteRegistryLab } from './service-registry-lab.ts';

// Its tests wait for the end of what does not end.
process.env.AVISHKAR_TEST_DEADLINE_MS = '1500';

/** Keeps the entries of the dead. */
const LONG_MS = 3_600_000;
serviceRegistryContract('immortal', {
  create: () => sqliteRegistryLab(() => ({}), LONG_MS),
  skip: {
    'tells each watcher of a change by another process, whenever it began': 'this lease is looked at every 20 minutes',
  },
});
