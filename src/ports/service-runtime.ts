import type { ServiceEntry } from '../domain/service-entry.ts';
import type { Address } from './service-registry.ts';

/** A platform service as it runs, or ran. */
export interface ServiceContainer {
  /** `service_name` of services.json. */
  name: string;
  /** The runtime's own name for this run of it; another run has another one. */
  containerId: string;
  /** Where it answers. */
  address: Address;
  state: 'running' | 'exited';
  /** Why it ended, in one sentence; null while it runs. */
  reason: string | null;
}

/**
 * Runs the platform's own services: in this process when embedded, as containers on the machines in a cluster. Every
 * method can be called again with the same arguments; the second call finds the work of the first.
 */
export interface ServiceRuntime {
  /**
   * Starts the service on that machine, or adopts it when it runs there. Resolves once it can be called.
   *
   * @throws AvkError AVK_PORT_IN_USE, AVK_BAD_CONFIG for a service that this runtime does not have
   */
  start(
    entry: ServiceEntry,
    node: { name: string; address: string },
    options: { signal: AbortSignal },
  ): Promise<ServiceContainer>;
  /** Stops it in order. Harmless when it does not run. */
  stop(name: string): Promise<void>;
  inspect(name: string): Promise<ServiceContainer | null>;
}
