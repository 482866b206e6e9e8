import type { HttpApp } from '../../kernel/http/app.ts';
import type { Service } from '../../kernel/service.ts';
import { createMonitor, type MonitorDeps } from './monitor.ts';
import { routes } from './routes.ts';

/*
 * The fault monitor owns what is known of the services' health: it asks each registered service for `/health` every few
 * seconds and keeps the answers for a day, and when each last became well or unwell. It does not act on it: keeping
 * services running is the platform initializer's.
 */

export interface FaultMonitorDeps extends MonitorDeps {
  http: HttpApp;
}

export function createFaultMonitor(deps: FaultMonitorDeps): Service {
  const monitor = createMonitor(deps);
  routes(deps.http, deps.database);
  return {
    name: 'fault-monitor',
    http: deps.http,
    start: () => monitor.start(),
    stop: () => monitor.stop(),
  };
}
