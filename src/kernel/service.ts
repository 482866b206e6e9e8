import type { HttpApp } from './http/app.ts';

/** The platform's services in the order of their ports: application manager at PORT, then PORT+1 … */
export const SERVICES = [
  'application-manager',
  'platform-initializer',
  'deployment-manager',
  'node-manager',
  'load-balancer',
  'scheduler',
  'sensor-manager',
  'fault-monitor',
  'authenticator',
] as const;
export type ServiceName = (typeof SERVICES)[number];

/** What `/home` calls them: `Hi, this is NodeManager`. */
export const TITLES: Record<ServiceName, string> = {
  'application-manager': 'ApplicationManager',
  'platform-initializer': 'Platform Initializer',
  'deployment-manager': 'DeploymentManager',
  'node-manager': 'NodeManager',
  'load-balancer': 'LoadBalancer',
  scheduler: 'Scheduler',
  'sensor-manager': 'SensorManager',
  'fault-monitor': 'FaultMonitor',
  authenticator: 'Authenticator',
};

/** `service_name` of services.json: `application_manager`. */
export function entryName(service: ServiceName): string {
  return service.replaceAll('-', '_');
}

/** The service by its `service_name`; undefined for one that is not the platform's own. */
export function serviceOf(entry: string): ServiceName | undefined {
  return SERVICES.find((service) => entryName(service) === entry);
}

/** What goes on when the platform is stopped: without these nobody could start it again. */
export const ALWAYS_UP: readonly ServiceName[] = ['authenticator', 'application-manager', 'platform-initializer'];

/** One module of the platform. Made by a factory from explicit dependencies; holds nothing before `start`. */
export interface Service {
  readonly name: ServiceName;
  readonly http: HttpApp;
  /** Resolves once it can be called. Goes on with what a crash or a stop interrupted. */
  start(): Promise<void>;
  /** Lets go of everything; what is under way goes on at the next start. */
  stop(): Promise<void>;
}
