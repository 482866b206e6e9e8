import { crashBackoffMs } from './replica-plan.ts';

/** How the platform as a whole is. */
export const PLATFORM_STATES = ['running', 'starting', 'stopping', 'stopped', 'degraded'] as const;
export type PlatformState = (typeof PLATFORM_STATES)[number];

/** How one of its services is. `restarting`: it ended and is started again when its back-off is over. */
export const SERVICE_STATES = ['starting', 'running', 'restarting', 'stopped'] as const;
export type ServiceState = (typeof SERVICE_STATES)[number];

/** A service as its keeper knows it. */
export interface KeptService {
  name: string;
  /** Whether it is there and answers. */
  alive: boolean;
  /** Failures in a row. */
  failures: number;
  /** When it may be started again, milliseconds since the epoch. */
  retryAt: number;
}

/** The services to start now: those that are to run, do not, and whose back-off is over. */
export function servicesToStart(services: readonly KeptService[], now: number): string[] {
  return services.filter(({ alive, retryAt }) => !alive && retryAt <= now).map(({ name }) => name);
}

/** At once the first time; with back-off when it keeps happening. */
export function retryAfter(failures: number, now: number): number {
  return failures <= 1 ? now : now + crashBackoffMs(failures - 1);
}

/** The platform's state by what is wanted of it, whether that is under way, and which services are not there. */
export function platformState(
  wanted: 'running' | 'stopped',
  underWay: boolean,
  missing: readonly { name: string; reason: string | null }[],
): { state: PlatformState; reason: string } {
  if (wanted === 'stopped') return { state: underWay ? 'stopping' : 'stopped', reason: '' };
  if (underWay) return { state: 'starting', reason: '' };
  if (missing.length === 0) return { state: 'running', reason: '' };
  const named = missing.map(({ name, reason }) => (reason ? `${name} (${reason})` : name)).join('; ');
  return { state: 'degraded', reason: `not running: ${named}` };
}
