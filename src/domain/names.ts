import { z } from 'zod';

/** Names of apps and instances: they become container names, file names and upstream names, so nothing else is let in. */
const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/;

/** The words that routes under `/api/deployedApps/` and `/api/baseApp/` use themselves, and the platform's services. */
const RESERVED = new Set(
  [
    'getDeployedApps',
    'getDeployInProgressApps',
    'getScheduledApps',
    'deployApp',
    'scheduleApp',
    'stopApp',
    'cancel',
    'scale',
    'upgrade',
    'rollback',
    'restart',
    'getapps',
    'upload',
    'checkfilename',
    'default',
    'ApplicationManager',
    'application_manager',
    'DeploymentManager',
    'NodeManager',
    'LoadBalancer',
    'Scheduler',
    'SensorManager',
    'FaultMonitor',
    'Authenticator',
    'PlatformInitializer',
    'schedules',
    'metrics',
  ].map(nameKey),
);

/** Names are unique without regard to case: compare and index by this. */
export function nameKey(name: string): string {
  return name.toLowerCase();
}

export function isReserved(name: string): boolean {
  return RESERVED.has(nameKey(name));
}

/** A name by its form alone; the platform's own services have reserved ones. */
export const namePattern = z.string().regex(NAME, 'expected a letter, then at most 62 letters, digits, - or _');

export const nameSchema = namePattern.refine((name) => !isReserved(name), 'this name is reserved by the platform');

export function isName(text: string): boolean {
  return NAME.test(text) && !isReserved(text);
}

/** `NAME_instance_N`, the starting document's naming convention for replicas. */
export function replicaName(instance: string, number: number): string {
  return `${instance}_instance_${number}`;
}
