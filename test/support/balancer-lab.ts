import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Registry } from 'prom-client';
import { systemClock } from '../../src/adapters/clock/system.ts';
import { createSqliteDatabases } from '../../src/adapters/database/sqlite.ts';
import { createSqliteBus } from '../../src/adapters/message-bus/sqlite.ts';
import { systemRandom } from '../../src/adapters/random/system.ts';
import { createSqliteRegistry } from '../../src/adapters/service-registry/sqlite.ts';
import { AvkError } from '../../src/domain/errors.ts';
import { type InstanceSpec, instanceSpecSchema } from '../../src/domain/instance.ts';
import { type Envelope, parseEnvelope, parseText, type Verb } from '../../src/domain/message.ts';
import type { NodeSnapshot, NodeState } from '../../src/domain/node.ts';
import { createTokens } from '../../src/kernel/auth.ts';
import { createHttpApp } from '../../src/kernel/http/app.ts';
import { createMachines } from '../../src/kernel/machines.ts';
import { createSecretBox } from '../../src/kernel/secret-box.ts';
import type { ServiceClient } from '../../src/kernel/service-client.ts';
import type { BlobStore } from '../../src/ports/blob-store.ts';
import type { ContainerInfo, ContainerRuntime } from '../../src/ports/container-runtime.ts';
import type { Host } from '../../src/ports/host.ts';
import type { Machine, Machines } from '../../src/ports/machines.ts';
import type { Rejection, ReverseProxy, Route } from '../../src/ports/reverse-proxy.ts';
import type { PlacementRule } from '../../src/services/load-balancer/place-replica.ts';
import { createLoadBalancer } from '../../src/services/load-balancer/service.ts';
import { type LoadBalancerTables, migrations } from '../../src/services/load-balancer/store.ts';

/** The real load balancer, whose replicas are rows in memory: they outlive it, as containers do. */
export interface BalancerLab {
  /** Replicas that run, by id. */
  containers: Map<string, ContainerInfo>;
  /** Every state of the routes that the proxy was given, oldest first. */
  applied: Route[][];
  /** From now on the proxy refuses the routes for which `rule` has a refusal. */
  refuse(rule: (route: Route) => Omit<Rejection, 'name'> | null): void;
  /** Has the proxy pause before routes for which `rule` holds, until the returned function is called. */
  pauseProxy(rule: (routes: readonly Route[]) => boolean): () => void;
  /** From now on the proxy can be told nothing, until the returned function is called. */
  silenceProxy(): () => void;
  /** Images whose replicas never become healthy. */
  sick: Set<string>;
  /** Images that cannot be built. */
  unbuildable: Set<string>;
  /** Images whose replicas cannot be started. */
  unstartable: Set<string>;
  /** Machines that cannot be told anything. */
  unreachable: Set<string>;
  /** When a replica could not be started, or ended, on one of them, by the system's clock, oldest first. */
  unreached: number[];
  /** Images of which replicas were started. */
  started: Set<string>;
  /** The replica ends by itself. */
  crash(id: string): void;
  /** What was sent on `first_topic` with that verb, oldest first. */
  told(verb: Verb): Promise<{ fields: Record<string, string>; data: Record<string, unknown> }[]>;
  /** Changes a machine's state, as the node manager would tell it. */
  nodeBecomes(name: string, state: NodeState): void;
  /** The platform lets go of a machine, as if it had never been one of its own. */
  letGoOf(name: string): Promise<void>;
  /** Another start of the service on the same tables, proxy and machines. */
  start(): Promise<Balancer>;
  cleanup(): Promise<void>;
}

export interface Balancer {
  /** Registers a first replica that runs on `node` already. */
  register(spec: InstanceSpec, node?: string): Promise<void>;
  call<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T>;
  stop(): Promise<void>;
}

const silent = (): void => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };

export function specOfApp(instance: string, change: Record<string, unknown> = {}): InstanceSpec {
  const { version = '1.0.0', manifest = {}, ...rest } = change as { version?: string; manifest?: object };
  return instanceSpecSchema.parse({
    instance,
    generation: 1,
    appName: 'app',
    version,
    image: `app:${version}`,
    bundle: { container: 'deployedApps', key: `${instance}/1.zip` },
    manifest: { name: 'app', version, runtime: 'node', entry: 'main.js', ...manifest },
    env: {},
    sealed: {},
    scale: {},
    ...rest,
  });
}

/** @param nodes names of the machines */
export async function balancerLab(
  nodes: readonly string[] = ['node1'],
  placement: PlacementRule = 'spread',
): Promise<BalancerLab> {
  const directory = mkdtempSync(join(tmpdir(), 'avishkar-balancer-'));
  const states = new Map<string, NodeState>(nodes.map((name) => [name, 'ready']));
  const applied: Route[][] = [];
  const containers = new Map<string, ContainerInfo>();
  let refusalOf: Parameters<BalancerLab['refuse']>[0] = () => null;
  let isPaused: (routes: readonly Route[]) => boolean = () => false;
  let pause: Promise<void> = Promise.resolve();
  let isSilent = false;
  const sick = new Set<string>();
  const unbuildable = new Set<string>();
  const unstartable = new Set<string>();
  const started = new Set<string>();
  const unreachable = new Set<string>();
  const unreached: number[] = [];
  let own = nodes;
  let machines: Machines | null = null;
  const exits = new Set<(info: ContainerInfo) => void>();
  const messages: Envelope[] = [];
  const bus = createSqliteBus({ path: join(directory, 'bus.db'), clock: systemClock });
  const registry = createSqliteRegistry({
    path: join(directory, 'registry.db'),
    clock: systemClock,
    random: systemRandom,
    onError: silent,
  });
  const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const tokens = await createTokens(key, systemClock);
  const { token } = await tokens.issue({ kind: 'service', name: 'test' }, 3600);
  const secrets = createSecretBox(new Map([['k1', systemRandom.bytes(32)]]), systemRandom);
  const changed = new Set<() => void>();

  const listening = await bus.subscribe({
    topics: ['first_topic'],
    group: 'test',
    handler: async ({ value }) => void messages.push(parseEnvelope(value)),
  });

  const proxy: ReverseProxy = {
    async apply(routes) {
      if (isPaused(routes)) await pause;
      if (isSilent) throw new AvkError('AVK_HOST_UNREACHABLE', 'the machine of the proxy does not answer');
      applied.push(structuredClone([...routes]));
      return {
        rejected: routes.flatMap((route) => {
          const refusal = refusalOf(route);
          return refusal ? [{ name: route.name, ...refusal }] : [];
        }),
      };
    },
    drained: async () => undefined,
    portFree: async () => true,
    close: async () => undefined,
  };

  function machineOf(name: string): Machine {
    return {
      host: { name, address: '127.0.0.1', close: async () => undefined } as Partial<Host> as Host,
      runtime: runtimes.get(name) ?? runtimeOf(name),
      ports: { first: 20_000 + nodes.indexOf(name) * 100, last: 20_099 + nodes.indexOf(name) * 100 },
      login: { username: 'azureuser', keyPath: '', servicePath: '/home/azureuser/Services' },
    };
  }

  function runtimeOf(node: string): ContainerRuntime {
    const own = (): ContainerInfo[] => [...containers.values()].filter((each) => each.containerId.startsWith(node));
    const refuseUnreachable = (): void => {
      if (unreachable.has(node)) throw new AvkError('AVK_HOST_UNREACHABLE', `${node} does not answer`);
    };
    const noteUnreached = (): void => {
      if (unreachable.has(node)) unreached.push(systemClock.monotonic());
    };
    return {
      runtimes: ['node'],
      trouble: () => null,
      async ensureImage({ image }) {
        if (unbuildable.has(image)) {
          throw new AvkError('AVK_BUILD_FAILED', 'npm ended with 1', { lastLogLines: ['no such package'] });
        }
      },
      listImages: async () => [],
      removeImage: async () => undefined,
      async start(spec) {
        noteUnreached();
        refuseUnreachable();
        const existing = containers.get(spec.id);
        if (existing) return existing;
        const { id, name, instance, generation, image, hostPort } = spec;
        if (unstartable.has(image)) throw new AvkError('AVK_START_FAILED', `${name} could not be started`);
        started.add(image);
        const address = { ip: '127.0.0.1', port: hostPort };
        const ended = { exitCode: null, exitSignal: null };
        const containerId = `${node}-${id}`;
        const info: ContainerInfo = {
          id,
          containerId,
          name,
          instance,
          generation,
          image,
          hostPort,
          address,
          ...ended,
          state: 'running',
        };
        containers.set(id, info);
        return info;
      },
      async stop(id) {
        noteUnreached();
        refuseUnreachable();
        containers.delete(id);
      },
      async remove(id) {
        refuseUnreachable();
        containers.delete(id);
      },
      inspect: async (id) => containers.get(id) ?? null,
      async list() {
        refuseUnreachable();
        return own();
      },
      onExit(listener) {
        exits.add(listener);
        return () => exits.delete(listener);
      },
      async *logs(id) {
        yield { ts: '2026-01-01T00:00:00.000Z', replica: id, stream: 'stdout', line: 'about to be ill' };
      },
      async checkHealth(address) {
        const found = own().find((each) => each.hostPort === address.port);
        return found && !sick.has(found.image)
          ? { healthy: true, reason: '' }
          : { healthy: false, reason: 'health check got 500 at /health' };
      },
      close: async () => undefined,
    };
  }
  const runtimes = new Map(nodes.map((name) => [name, runtimeOf(name)]));

  function tellAll(): void {
    for (const tell of changed) tell();
    changed.clear();
  }

  const snapshot = (name: string): NodeSnapshot => ({
    name,
    address: '127.0.0.1',
    state: states.get(name) ?? 'lost',
    cpuPercent: 10,
    memoryPercent: 10,
    diskPercent: 10,
    cores: 4,
    memoryBytes: 8 * 1024 ** 3,
    replicas: [...containers.values()].filter((each) => each.containerId.startsWith(name)).length,
    promised: { cpus: 0, memoryMb: 0 },
  });
  /** The node manager, as far as the load balancer knows it. */
  const client: ServiceClient = {
    call: async () => {
      throw new AvkError('AVK_SERVICE_UNAVAILABLE', 'there is no other service in this test');
    },
    async *values(_service, _path, { signal }) {
      while (!signal.aborted) {
        yield { at: 0, nodes: own.map(snapshot), replicas: [] };
        await new Promise<void>((resolve) => {
          changed.add(resolve);
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
    },
  };

  return {
    containers,
    applied,
    refuse(rule) {
      refusalOf = rule;
    },
    pauseProxy(rule) {
      const { promise, resolve } = Promise.withResolvers<void>();
      isPaused = rule;
      pause = promise;
      return resolve;
    },
    silenceProxy() {
      isSilent = true;
      return () => {
        isSilent = false;
      };
    },
    sick,
    unbuildable,
    unstartable,
    started,
    unreachable,
    unreached,
    crash(id) {
      const info = containers.get(id);
      containers.delete(id);
      // Every machine's runtime is listened to; only one of them has it.
      const [listener] = exits;
      if (info) listener?.({ ...info, state: 'exited', exitCode: 7 });
    },
    async told(verb) {
      return messages.flatMap(({ msg, data }) => {
        const text = parseText(msg);
        return text?.verb === verb ? [{ fields: text.fields, data: data ?? {} }] : [];
      });
    },
    nodeBecomes(name, state) {
      states.set(name, state);
      tellAll();
    },
    async letGoOf(name) {
      own = own.filter((each) => each !== name);
      await machines?.remove(name);
      tellAll();
    },
    async start() {
      machines = createMachines(own.map(machineOf), ({ vm_name }) => machineOf(vm_name));
      const database = await createSqliteDatabases({
        directory,
        abortAndRerun: () => systemRandom.float() < 0.1,
      }).open<LoadBalancerTables>('load-balancer', migrations);
      const http = await createHttpApp({
        title: 'LoadBalancer',
        version: '0',
        description: '',
        tokens,
        log,
        recentLogLines: () => [],
        metrics: new Registry(),
      });
      const service = createLoadBalancer({
        http,
        database,
        bus,
        client,
        registry,
        proxy,
        clock: systemClock,
        random: systemRandom,
        log,
        machines,
        replica: (node) => ({
          runtime: runtimes.get(node) ?? runtimeOf(node),
          blobs: { get: async () => Readable.from([]) } as Partial<BlobStore> as BlobStore,
          secrets,
          clock: systemClock,
        }),
        publicAddress: '127.0.0.1',
        firstPort: 2000,
        buildDeadlineMs: 5000,
        placement,
      });
      const call: Balancer['call'] = async (method, url, body) => {
        const headers = { authorization: `Bearer ${token}` };
        const response = await http.inject({
          method,
          url,
          headers,
          ...(body === undefined ? {} : { payload: body as object }),
        });
        if (response.statusCode >= 400) throw new Error(`${url}: ${response.statusCode} ${response.body}`);
        return (response.headers['content-type']?.includes('json') ? response.json() : response.body) as never;
      };
      await service.start();
      return {
        call,
        async register(spec, node = nodes[0] ?? '') {
          const replicaId = systemRandom.uuid();
          const hostPort = 20_000 + nodes.indexOf(node) * 100 + containers.size;
          const place = { id: replicaId, name: `${spec.instance}_instance_1`, hostPort, env: {} };
          const { instance, generation, image, manifest } = spec;
          const container = { ...place, instance, generation, image, manifest, resources: manifest.resources };
          const { signal } = new AbortController();
          const info = await (runtimes.get(node) ?? runtimeOf(node)).start(container, { signal });
          await call('POST', '/registerApp', {
            appName: instance,
            imageName: image,
            vmIp: '127.0.0.1',
            containerId: info.containerId,
            containerPort: manifest.port,
            hostPort,
            node,
            replicaId,
            address: info.address,
            spec,
          });
        },
        async stop() {
          await service.stop();
          await http.close();
          await database.close();
        },
      };
    },
    async cleanup() {
      await listening.stop();
      await bus.close();
      await registry.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
