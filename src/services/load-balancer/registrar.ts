import type { Transaction } from 'kysely';
import { z } from 'zod';
import { AvkError } from '../../domain/errors.ts';
import { instanceSpecSchema } from '../../domain/instance.ts';
import { isReserved, nameKey, namePattern } from '../../domain/names.ts';
import { candidatePorts, type PortRange } from '../../domain/ports.ts';
import { type AppRow, type Db, type LoadBalancerTables, readApp, reportOf } from './store.ts';

/** The starting document's parameters, and what our own services add to them. */
const registrationFields = z.object({
  appName: namePattern,
  imageName: z.string().min(1).max(300),
  vmIp: z.string().min(1).max(255),
  containerId: z.string().min(1).max(128),
  containerPort: z.coerce.number().int().min(1).max(65_535),
  hostPort: z.coerce.number().int().min(1).max(65_535),
  lbVmName: z.string().max(63).optional(),
  node: z.string().max(63).optional(),
  replicaId: z.string().max(64).optional(),
  address: z.object({ ip: z.string(), port: z.int() }).nullable().optional(),
  placement: z.string().max(2000).optional(),
  spec: instanceSpecSchema.optional(),
  /** Services of the platform are registered by their `folder_name`; what is registered again has moved. */
  kind: z.enum(['app', 'service']).default('app'),
  /** Where it is reached already: it needs no route and no port of the proxy's. */
  publicPort: z.coerce.number().int().min(1).max(65_535).optional(),
});
export const registrationSchema = registrationFields.refine(
  ({ kind, appName }) => kind === 'service' || !isReserved(appName),
  { path: ['appName'], message: 'this name is reserved by the platform' },
);
export type Registration = z.infer<typeof registrationSchema>;

const MOST_PUBLIC_PORTS = 10_000;
/** A port that another program held is tried again after this long. */
const FOREIGN_MS = 10 * 60 * 1000;

type Tx = Db | Transaction<LoadBalancerTables>;

/**
 * Puts the app and its first replica on record with a public port of its own. Synchronous and race-free as the
 * starting document asks: one serializable transaction. Registering the same again returns what is there.
 *
 * @throws AvkError AVK_DEREGISTERED, AVK_CONFLICT, AVK_NAME_TAKEN, AVK_NO_PORT
 */
export async function register(
  tx: Tx,
  request: Registration,
  options: { node: string; replicaId: string; firstPort: number; now: number },
): Promise<AppRow> {
  const generation = request.spec?.generation ?? 0;
  await refuseTheDead(tx, request, generation);
  const existing = await readApp(tx, request.appName);
  if (request.kind === 'service') await forgetMoved(tx, request, options.node);
  if (existing?.kind === 'service' && request.kind === 'service') return moveService(tx, existing, request, options);
  if (existing) {
    const same = await tx
      .selectFrom('replicas')
      .select('id')
      .where('app', '=', existing.name)
      .where('container_id', '=', request.containerId)
      .executeTakeFirst();
    if (existing.state === 'live' && existing.generation === generation && same) return existing;
    throw new AvkError('AVK_CONFLICT', `${existing.name} is registered already, with another container or generation`);
  }
  await refuseTheTaken(tx, request, options.node);
  const scale = request.spec?.scale ?? { min: 1, max: 1 };
  const app: AppRow = {
    name: request.appName,
    generation,
    first_generation: generation,
    seen_generation: generation,
    spec: request.spec ? JSON.stringify(request.spec) : null,
    image: request.imageName,
    container_port: request.containerPort,
    kind: request.kind,
    routed: request.publicPort === undefined ? 1 : 0,
    public_port: request.publicPort ?? (await freePublicPort(tx, options.firstPort, options.now)),
    desired: scale.min,
    scale_min: scale.min,
    scale_max: scale.max,
    state: 'live',
    keep_image: 0,
    // Of more than one replica the others are still to come: that is reported when they are there.
    reported: scale.min > 1 ? '' : reportOf({ state: 'running', healthy: 1, reason: '' }),
    created_at: options.now,
  };
  await tx.insertInto('apps').values(app).execute();
  await addFirstReplica(tx, app, request, options);
  return app;
}

type Options = Parameters<typeof register>[2];

async function addFirstReplica(tx: Tx, app: AppRow, request: Registration, options: Options): Promise<void> {
  await tx
    .insertInto('replicas')
    .values({
      id: options.replicaId,
      app: app.name,
      generation: app.generation,
      number: 1,
      node: options.node,
      host_port: request.hostPort,
      state: 'healthy',
      container_id: request.containerId,
      ip: request.address?.ip ?? request.vmIp,
      port: request.address?.port ?? request.hostPort,
      failures: 0,
      restarts: 0,
      retry_at: 0,
      since: options.now,
      reason: null,
      last_lines: null,
      placement: request.placement ?? 'registered there',
    })
    .execute();
}

/** Other services on record where this one is now: the platform's ports were changed, and they are registered anew, too. */
async function forgetMoved(tx: Tx, request: Registration, node: string): Promise<void> {
  const stale = await tx
    .selectFrom('apps')
    .innerJoin('replicas', 'replicas.app', 'apps.name')
    .select('apps.name')
    .where('apps.kind', '=', 'service')
    .where('apps.name', '!=', request.appName)
    .where((where) =>
      where.or([
        where('apps.public_port', '=', request.publicPort ?? 0),
        where.and([where('replicas.node', '=', node), where('replicas.host_port', '=', request.hostPort)]),
      ]),
    )
    .execute();
  for (const { name } of stale) {
    await tx.deleteFrom('replicas').where('app', '=', name).execute();
    await tx.deleteFrom('apps').where('name', '=', name).execute();
  }
}

/** A service that was started again: another container, maybe on another machine, the same app. */
async function moveService(tx: Tx, app: AppRow, request: Registration, options: Options): Promise<AppRow> {
  await tx.deleteFrom('replicas').where('app', '=', app.name).execute();
  const moved: AppRow = {
    ...app,
    image: request.imageName,
    container_port: request.containerPort,
    public_port: request.publicPort ?? app.public_port,
    routed: request.publicPort === undefined ? 1 : 0,
    state: 'live',
  };
  const { name: _name, ...values } = moved;
  await tx.updateTable('apps').set(values).where('name', '=', app.name).execute();
  await addFirstReplica(tx, moved, request, options);
  return moved;
}

/** Another app by that name in another spelling, or at that port of the machine. */
async function refuseTheTaken(tx: Tx, request: Registration, node: string): Promise<void> {
  const apps = await tx.selectFrom('apps').select('name').execute();
  const other = apps.find((app) => nameKey(app.name) === nameKey(request.appName));
  if (other) {
    throw new AvkError('AVK_NAME_TAKEN', `${request.appName} differs from the app ${other.name} in case only`);
  }
  const holder = await tx
    .selectFrom('replicas')
    .select('app')
    .where('node', '=', node)
    .where('host_port', '=', request.hostPort)
    .executeTakeFirst();
  if (holder) {
    throw new AvkError('AVK_CONFLICT', `port ${request.hostPort} of ${node} belongs to ${holder.app}`, {
      errors: [{ path: 'hostPort', message: 'expected a port of no other app', received: String(request.hostPort) }],
    });
  }
}

async function refuseTheDead(tx: Tx, request: Registration, generation: number): Promise<void> {
  const dead = await tx
    .selectFrom('tombstones')
    .select('generation')
    .where('app', '=', request.appName)
    .where((where) =>
      where.or([
        where('container_id', '=', request.containerId),
        // A generation is deregistered once and for all.
        where.and([where('generation', '=', generation), where('generation', '>', 0)]),
      ]),
    )
    .executeTakeFirst();
  if (dead) throw new AvkError('AVK_DEREGISTERED', `${request.appName} was deregistered; deploy it anew`);
}

/** Gives the app another public port: the one it had is held by another program. */
export async function movePublicPort(tx: Tx, app: AppRow, firstPort: number, now: number): Promise<number> {
  await tx
    .insertInto('foreign_ports')
    .values({ port: app.public_port, at: now })
    .onConflict((conflict) => conflict.column('port').doUpdateSet({ at: now }))
    .execute();
  const port = await freePublicPort(tx, firstPort, now);
  await tx.updateTable('apps').set({ public_port: port }).where('name', '=', app.name).execute();
  return port;
}

async function freePublicPort(tx: Tx, firstPort: number, now: number): Promise<number> {
  await tx
    .deleteFrom('foreign_ports')
    .where('at', '<', now - FOREIGN_MS)
    .execute();
  const port = await nextPublicPort(tx, firstPort);
  if (port === null) throw new AvkError('AVK_NO_PORT', `no public port is free from ${firstPort} on`);
  await tx
    .insertInto('public_port_cursor')
    .values({ id: 1, port })
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ port }))
    .execute();
  return port;
}

/** The public port that the next app gets, `latestAvailablePort` of NginxPort.json; null when none is free. */
export async function nextPublicPort(db: Tx, firstPort: number): Promise<number | null> {
  const range: PortRange = { first: firstPort, last: Math.min(firstPort + MOST_PUBLIC_PORTS, 65_535) };
  const apps = await db.selectFrom('apps').select('public_port as port').execute();
  const foreign = await db.selectFrom('foreign_ports').select('port').execute();
  const cursor = await db.selectFrom('public_port_cursor').select('port').executeTakeFirst();
  // Onwards and not the lowest: a bookmark of an app that is gone must not soon lead to another one.
  const taken = new Set([...apps, ...foreign].map((row) => row.port));
  const [port] = candidatePorts(range, cursor?.port ?? null, taken);
  return port ?? null;
}

/**
 * Marks the app for removal; the reconciler does the rest. Unknown apps are gone already.
 *
 * @param generation only this one, if given
 */
export async function deregister(
  tx: Tx,
  name: string,
  options: { generation?: number; keepImage: boolean; now: number },
): Promise<void> {
  const app = await readApp(tx, name);
  if (options.generation !== undefined && options.generation !== app?.generation) {
    // It never got here, or is gone: a registration that is still under way must find this.
    await bury(tx, [{ app: name, generation: options.generation, container_id: '', at: options.now }]);
    return;
  }
  if (!app) return;
  const replicas = await tx.selectFrom('replicas').selectAll().where('app', '=', name).execute();
  await bury(
    tx,
    replicas.map((replica) => ({
      app: name,
      generation: app.generation,
      container_id: replica.container_id ?? '',
      at: options.now,
    })),
  );
  if (app.state === 'removing') return;
  await tx
    .updateTable('apps')
    .set({ state: 'removing', keep_image: options.keepImage ? 1 : 0 })
    .where('name', '=', name)
    .execute();
}

async function bury(tx: Tx, stones: LoadBalancerTables['tombstones'][]): Promise<void> {
  if (stones.length === 0) return;
  await tx
    .insertInto('tombstones')
    .values(stones)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
