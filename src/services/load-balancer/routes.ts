import { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AvkError } from '../../domain/errors.ts';
import { namePattern, nameSchema, replicaName } from '../../domain/names.ts';
import { withDeadline } from '../../kernel/deadline.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import { NDJSON, ndjson } from '../../kernel/http/stream.ts';
import type { Clock } from '../../ports/clock.ts';
import type { LogLine } from '../../ports/container-runtime.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { Machines } from '../../ports/machines.ts';
import type { Random } from '../../ports/random.ts';
import { INSTANCE, LOG_LINE, REGISTRATION, SUCCESS } from './examples.ts';
import type { FleetFollower } from './fleet-follower.ts';
import { followLogLines, lastLogLines, type Talker } from './logs.ts';
import type { Reconciler } from './reconciler.ts';
import { deregister, movePublicPort, type Registration, register, registrationSchema } from './registrar.ts';
import type { RoutesKeeper } from './routes-keeper.ts';
import { type AppRow, type LoadBalancerTables, type ReplicaRow, readApp, readReplicas } from './store.ts';

export interface RouteDeps {
  database: Database<LoadBalancerTables>;
  routes: RoutesKeeper;
  reconciler: Reconciler;
  fleet: FleetFollower;
  clock: Clock;
  random: Random;
  log: Log;
  machines: Machines;
  publicAddress: string;
  firstPort: number;
}

const PORT_TRIES = 50;
const DEREGISTER_DEADLINE_MS = 600_000;

const deregistration = z.object({
  appName: namePattern,
  generation: z.coerce.number().int().min(1).optional(),
  keepImage: z.union([z.boolean(), z.stringbool()]).default(false),
});

const success = z.string().meta({ example: SUCCESS });
/** Among services: what one adds and the other does not know yet passes through. */
const instanceSchema = z.looseObject({
  name: z.string(),
  generation: z.number(),
  endpoint: z.string(),
  scale: z.looseObject({ min: z.number(), max: z.number(), desired: z.number() }),
  replicas: z.array(z.looseObject({ name: z.string(), id: z.string(), node: z.string(), state: z.string() })),
});

export function routes(app: HttpApp, deps: RouteDeps): void {
  registrationRoutes(app, deps);
  instanceRoutes(app, deps);
}

function registrationRoutes(app: HttpApp, deps: RouteDeps): void {
  const tags = ['registration'];
  const description =
    "Synchronous: when it answers, the app is reachable. Repeating it is harmless. Called by the deployment manager and the platform initializer, and by the starting document's programs.";
  const registering = {
    config: { access: 'service' as const, legacy: true },
    schema: {
      tags,
      summary: 'Registers an app and its first container; answers IP:PORT',
      description,
      produces: ['text/plain'],
      response: { 200: z.string().meta({ example: '127.0.0.1:2000' }) },
    },
  };
  app.get(
    '/registerApp',
    { ...registering, schema: { ...registering.schema, querystring: registrationSchema } },
    (request) => registerApp(deps, request.query),
  );
  app.post(
    '/registerApp',
    {
      ...registering,
      preValidation: parametersAnywhere,
      schema: { ...registering.schema, body: registrationSchema.meta({ example: REGISTRATION }) },
    },
    (request) => registerApp(deps, request.body),
  );

  const deregistering = {
    config: { access: 'service' as const, legacy: true },
    schema: {
      tags,
      summary: "Removes an app's route, containers and image",
      description:
        "Answers when they are gone. Repeating it is harmless. Called by the deployment manager, and by the starting document's programs.",
      produces: ['text/plain'],
      response: { 200: success },
    },
  };
  const deregisterApp = async (asked: z.infer<typeof deregistration>): Promise<string> => {
    const { appName, generation, keepImage } = asked;
    const now = deps.clock.now();
    await deps.database.transaction((tx) =>
      deregister(tx, appName, { keepImage, now, ...(generation === undefined ? {} : { generation }) }),
    );
    const row = await readApp(deps.database.read, appName);
    if (row?.state === 'removing') {
      await withDeadline(deps.clock, DEREGISTER_DEADLINE_MS, `removing ${appName}`, (signal) =>
        deps.reconciler.removed(appName, signal),
      );
    }
    return 'Success';
  };
  app.get(
    '/deregisterApp',
    { ...deregistering, schema: { ...deregistering.schema, querystring: deregistration } },
    (request) => deregisterApp(request.query),
  );
  app.post(
    '/deregisterApp',
    {
      ...deregistering,
      preValidation: parametersAnywhere,
      schema: { ...deregistering.schema, body: deregistration.meta({ example: { appName: INSTANCE.name } }) },
    },
    (request) => deregisterApp(request.body),
  );
}

/** By POST the parameters may come in the address, as by GET, or as JSON. */
async function parametersAnywhere(request: FastifyRequest): Promise<void> {
  const body = request.body ?? {};
  if (typeof body === 'object' && !Array.isArray(body)) request.body = { ...(request.query as object), ...body };
}

async function registerApp(deps: RouteDeps, request: Registration): Promise<string> {
  const node = request.node ?? deps.machines.list().find(({ host }) => host.address === request.vmIp)?.host.name;
  if (!node) {
    throw new AvkError('AVK_UNACCEPTABLE', `vmIp: no machine of the platform has the address ${request.vmIp}`, {
      errors: [{ path: 'vmIp', message: 'expected the address of a machine', received: request.vmIp }],
    });
  }
  const replicaId = request.replicaId ?? (await findReplica(deps.machines, node, request.containerId));
  const options = {
    node,
    replicaId: replicaId ?? deps.random.uuid(),
    firstPort: deps.firstPort,
    now: deps.clock.now(),
  };
  const registered = await deps.database.transaction((tx) => register(tx, request, options));
  const port = registered.routed === 1 ? await makeLive(deps, registered) : registered.public_port;
  deps.reconciler.kick(request.appName);
  // What is reached where it is has no address at the proxy.
  const address = registered.routed === 1 ? deps.publicAddress : (request.address?.ip ?? request.vmIp);
  return `${address}:${port}`;
}

async function findReplica(machines: Machines, node: string, containerId: string): Promise<string | undefined> {
  // Services of the platform may run where no apps do.
  if (!machines.has(node)) return undefined;
  const containers = await machines.get(node).runtime.list();
  return containers.find((container) => container.containerId === containerId)?.id;
}

/** Applies the route; as long as the port turns out to be another program's, the app moves on to the next one. */
async function makeLive(deps: RouteDeps, app: AppRow): Promise<number> {
  let port = app.public_port;
  for (let tries = 0; tries < PORT_TRIES; tries += 1) {
    const { rejected } = await deps.routes.refresh();
    const problem = rejected.find((route) => route.name === app.name);
    if (!problem) return port;
    if (!problem.portTaken) {
      throw new AvkError('AVK_ROUTE_REJECTED', `${app.name} cannot be made reachable: ${problem.reason}`);
    }
    deps.log.warn({ app: app.name, port, reason: problem.reason }, 'the public port cannot be used');
    port = await deps.database.transaction((tx) =>
      movePublicPort(tx, { ...app, public_port: port }, deps.firstPort, deps.clock.now()),
    );
  }
  throw new AvkError('AVK_ROUTE_REJECTED', `${PORT_TRIES} public ports up to ${port} cannot be used for ${app.name}`);
}

function instanceRoutes(app: HttpApp, deps: RouteDeps): void {
  const tags = ['instances'];
  const params = z.object({ name: nameSchema });

  app.get(
    '/instances',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'All instances with their replicas',
        description: 'Called by the application manager.',
        response: {
          200: z.object({ instances: z.array(instanceSchema) }).meta({ example: { instances: [INSTANCE] } }),
        },
      },
    },
    async () => {
      const apps = await deps.database.read
        .selectFrom('apps')
        .selectAll()
        .where('kind', '=', 'app')
        .orderBy('name')
        .execute();
      const replicas = await deps.database.read.selectFrom('replicas').selectAll().orderBy('number').execute();
      const own = Map.groupBy(replicas, (replica) => replica.app);
      return { instances: apps.map((row) => instanceView(deps, row, own.get(row.name) ?? [])) };
    },
  );

  app.get(
    '/instances/:name',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: "An instance's replicas and scale",
        description: 'Called by the application manager.',
        params,
        response: { 200: instanceSchema.meta({ example: INSTANCE }) },
      },
    },
    async (request) => {
      const row = await readApp(deps.database.read, request.params.name);
      if (!row) throw new AvkError('AVK_NOT_FOUND', `${request.params.name} is not registered`);
      return instanceView(deps, row, await readReplicas(deps.database.read, row.name));
    },
  );

  app.post(
    '/instances/:name/scale',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: 'Sets how few and how many replicas an instance may have',
        description: 'Called by the application manager. Repeating it is harmless.',
        params,
        body: z
          .object({ generation: z.int(), min: z.int().min(1).max(100), max: z.int().min(1).max(100) })
          .refine(({ min, max }) => min <= max, { path: ['min'], message: 'expected min to be at most max' })
          .meta({ example: { generation: 1, min: 1, max: 5 } }),
        produces: ['text/plain'],
        response: { 200: success },
      },
    },
    async (request) => {
      const { name } = request.params;
      const { min, max, generation } = request.body;
      await deps.database.transaction(async (tx) => {
        const row = await readApp(tx, name);
        if (row?.state !== 'live' || generation < row.first_generation) {
          throw new AvkError('AVK_NOT_FOUND', `${name} is not registered`);
        }
        const desired = Math.min(Math.max(row.desired, min), max);
        await tx
          .updateTable('apps')
          .set({ scale_min: min, scale_max: max, desired })
          .where('name', '=', name)
          .execute();
      });
      deps.reconciler.kick(name);
      return 'Success';
    },
  );

  app.get(
    '/instances/:name/logs',
    {
      config: { access: 'service' },
      schema: {
        tags,
        summary: "The replicas' log lines as newline-delimited JSON",
        description: 'Called by the application manager. With `follow` it goes on until the caller leaves.',
        params,
        querystring: z.object({
          tail: z.coerce.number().int().min(0).max(10_000).default(100),
          follow: z.stringbool().default(false),
          replica: z.string().max(100).optional(),
        }),
        produces: [NDJSON],
        response: { 200: z.string().meta({ example: `${JSON.stringify(LOG_LINE)}\n` }) },
      },
    },
    async (request, reply) => {
      const { name } = request.params;
      const { tail, follow, replica: only } = request.query;
      const matching = async (): Promise<ReplicaRow[]> =>
        (await readReplicas(deps.database.read, name)).filter(
          (row) => !only || [row.id, replicaName(name, row.number)].includes(only),
        );
      const rows = await matching();
      if (only && rows.length === 0) throw new AvkError('AVK_NOT_FOUND', `${name} has no replica ${only}`);
      const gone = new AbortController();
      request.raw.on('close', () => gone.abort());
      const known = new Map(rows.map((row) => [row.id, row]));
      const talker = ({ id, number }: ReplicaRow): Talker => ({ id, name: replicaName(name, number) });
      async function* open(id: string): AsyncGenerator<LogLine> {
        const { runtime } = deps.machines.get(known.get(id)?.node ?? '');
        yield* runtime.logs(id, { tail, follow, signal: gone.signal });
      }
      if (!follow) return ndjson(reply, Readable.from(lastLogLines(rows.map(talker), open, tail, deps.clock))) as never;
      const list = async (): Promise<Talker[] | null> => {
        if (!(await readApp(deps.database.read, name))) return null;
        const now = await matching();
        for (const row of now) known.set(row.id, row);
        return now.map(talker);
      };
      return ndjson(reply, Readable.from(followLogLines(list, open, deps.clock, gone.signal))) as never;
    },
  );
}

function instanceView(deps: RouteDeps, row: AppRow, replicas: readonly ReplicaRow[]): z.infer<typeof instanceSchema> {
  return {
    name: row.name,
    generation: row.generation,
    endpoint: `http://${deps.publicAddress}:${row.public_port}`,
    scale: { min: row.scale_min, max: row.scale_max, desired: row.desired },
    replicas: replicas.map((replica) => ({
      name: replicaName(row.name, replica.number),
      id: replica.id,
      generation: replica.generation,
      node: replica.node,
      hostPort: replica.host_port,
      state: replica.state,
      cpuPercent: deps.fleet.usage(replica.id)?.cpuPercent ?? null,
      memoryPercent: deps.fleet.usage(replica.id)?.memoryPercent ?? null,
      restarts: replica.restarts,
      placement: replica.placement,
      ...(replica.reason ? { reason: replica.reason } : {}),
    })),
  };
}
