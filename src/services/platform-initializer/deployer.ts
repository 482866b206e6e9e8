import { AvkError, messageOf } from '../../domain/errors.ts';
import type { Inventory, ServiceEntry } from '../../domain/service-entry.ts';
import { retryAfter } from '../../domain/service-plan.ts';
import { ALWAYS_UP, serviceOf } from '../../kernel/service.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { Address, RegistrySession, ServiceRegistry } from '../../ports/service-registry.ts';
import type { ServiceContainer, ServiceRuntime } from '../../ports/service-runtime.ts';
import { type InitializerTables, readServices, type ServiceRow, writeService } from './store.ts';

/** Brings single services up and down: on their machine, at the load balancer, in the registry, on record. */
export interface Deployer {
  inventory(): Promise<Inventory>;
  /** Starts or adopts the service, registers it with the load balancer and then in the registry. */
  deploy(entry: ServiceEntry, inventory: Inventory, signal: AbortSignal): Promise<void>;
  /** Deregisters the service, stops it and takes it out of the registry. Harmless when it does not run. */
  withdraw(entry: ServiceEntry, signal: AbortSignal): Promise<void>;
  /** Puts a service's end on record, and when it may be started again. */
  noteEnd(service: Pick<ServiceRow, 'name' | 'folder'>, reason: string): Promise<void>;
  /** Lets go of the registry's entries. */
  close(): Promise<void>;
}

export interface DeployerDeps {
  database: Database<InitializerTables>;
  client: ServiceClient;
  registry: ServiceRegistry;
  runtime: ServiceRuntime;
  clock: Clock;
  log: Log;
  /** Reads services.json and vm-details.json. */
  inventory: () => Promise<Inventory>;
}

/** A service that ran for this long before it ended begins its back-off anew. */
const STABLE_MS = 60_000;
const REGISTER_DEADLINE_MS = 30_000;

export function createDeployer(deps: DeployerDeps): Deployer {
  const { database, client, registry, runtime, clock, log } = deps;
  /** One per service: its entry in the registry is gone when it is. */
  const sessions = new Map<string, RegistrySession>();

  /** Writes down what became of a service, by what was known of it before. */
  async function record(
    service: Pick<ServiceRow, 'name' | 'folder'>,
    change: (before: ServiceRow) => Partial<ServiceRow>,
  ): Promise<void> {
    const unknown: ServiceRow = {
      ...service,
      node: '',
      container_id: null,
      address: '',
      direct: '',
      state: 'stopped',
      restarts: 0,
      failures: 0,
      retry_at: 0,
      reason: null,
      since: clock.now(),
    };
    await database.transaction(async (tx) => {
      const before = (await readServices(tx)).find((row) => row.name === service.name) ?? unknown;
      await writeService(tx, { ...before, ...change(before) });
    });
  }

  /** The address that users are given. Services of the platform's own port need no route of the proxy's. */
  async function register(
    entry: ServiceEntry,
    node: { name: string; address: string },
    container: ServiceContainer,
    signal: AbortSignal,
  ): Promise<Address> {
    const endpoint = await client.call('load-balancer', 'POST', '/registerApp', {
      body: {
        appName: entry.folder_name,
        imageName: `${entry.folder_name.toLowerCase()}_image`,
        vmIp: node.address,
        node: node.name,
        containerId: container.containerId,
        containerPort: entry.container_port,
        hostPort: container.address.port,
        address: container.address,
        kind: 'service',
        publicPort: container.address.port,
      },
      signal,
      deadlineMs: REGISTER_DEADLINE_MS,
    });
    const [ip = '', port = ''] = String(endpoint).split(':');
    return { ip, port: Number(port) };
  }

  async function announce(name: string, address: Address, direct: Address): Promise<void> {
    const service = serviceOf(name) ?? name;
    const session = sessions.get(name) ?? (await registry.session(`service ${service}`));
    sessions.set(name, session);
    await session.register({ name: service, kind: 'service', address, direct: [direct] });
  }

  async function forget(name: string): Promise<void> {
    const session = sessions.get(name);
    sessions.delete(name);
    await session?.close();
  }

  return {
    inventory: deps.inventory,
    async deploy(entry, inventory, signal) {
      const node = placeOf(entry, inventory);
      const container = await runtime.start(entry, node, { signal });
      const address = await register(entry, node, container, signal);
      await announce(entry.service_name, address, container.address);
      await record(idOf(entry), (before) => {
        const same = before.state === 'running' && before.container_id === container.containerId;
        // Not its first start, and nobody asked for it.
        const again = before.state === 'restarting' && before.container_id !== null;
        return {
          node: node.name,
          container_id: container.containerId,
          address: textOf(address),
          direct: textOf(container.address),
          state: 'running',
          restarts: before.restarts + (again ? 1 : 0),
          reason: null,
          retry_at: 0,
          since: same ? before.since : clock.now(),
        };
      });
    },
    async withdraw(entry, signal) {
      const name = entry.service_name;
      const service = serviceOf(name);
      if (service && ALWAYS_UP.includes(service)) return;
      try {
        const query = new URLSearchParams({ appName: entry.folder_name });
        await client.call('load-balancer', 'POST', `/deregisterApp?${query}`, {
          signal,
          deadlineMs: REGISTER_DEADLINE_MS,
        });
      } catch (error) {
        signal.throwIfAborted();
        // A load balancer that is not there cannot be told; its next start is told of the service's next address.
        if (!(error instanceof AvkError && error.code === 'AVK_SERVICE_UNAVAILABLE')) throw error;
        log.warn({ service: name, reason: messageOf(error) }, 'a service could not be deregistered');
      }
      await runtime.stop(name);
      await forget(name);
      const stopped = { state: 'stopped' as const, container_id: null, failures: 0, reason: null };
      await record(idOf(entry), () => ({ ...stopped, since: clock.now() }));
    },
    async noteEnd(service, reason) {
      await forget(service.name);
      await record(service, (before) => {
        const now = clock.now();
        const stable = before.state === 'running' && now - before.since > STABLE_MS;
        const failures = (stable ? 0 : before.failures) + 1;
        return { state: 'restarting', failures, retry_at: retryAfter(failures, now), reason, since: now };
      });
    },
    async close() {
      for (const name of [...sessions.keys()]) await forget(name);
    },
  };
}

/** Round robin in the order of services.json; the load balancer on the first machine. */
function placeOf(entry: ServiceEntry, { services, machines }: Inventory): { name: string; address: string } {
  const index = services.findIndex((other) => other.service_name === entry.service_name);
  const machine = machines[index % machines.length];
  if (!machine) throw new AvkError('AVK_NO_NODE', 'vm-details.json names no machine');
  return { name: machine.vm_name, address: machine.vm_ip };
}

export function idOf(entry: ServiceEntry): Pick<ServiceRow, 'name' | 'folder'> {
  return { name: entry.service_name, folder: entry.folder_name };
}

function textOf({ ip, port }: Address): string {
  return `${ip}:${port}`;
}
