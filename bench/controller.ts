import { benchCalls } from './controller-calls.ts';
import { benchControllerDeploy } from './controller-deploy.ts';
import { benchProbe } from './controller-probe.ts';
import { benchRegistrations } from './controller-registrations.ts';
import type { Bench } from './embedded.ts';

/** The figures of the platform on machines of its own, on a fleet of fake VMs; each part has a fleet to itself. */
export const CONTROLLER: Record<string, Bench> = {
  vms: benchControllerDeploy,
  calls: benchCalls,
  registrations: benchRegistrations,
  probe: benchProbe,
};
