import type { Readable } from 'node:stream';
import { z } from 'zod';
import { type Check, checkSchema } from '../../domain/check.ts';
import { messageOf } from '../../domain/errors.ts';
import { NODE_ROLES } from '../../domain/node.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { PlatformStatus } from './platform-status.ts';
import type { ApplicationManagerTables } from './store.ts';

export interface MaintenanceDeps {
  client: ServiceClient;
  clock: Clock;
  database: Database<ApplicationManagerTables>;
  status: () => Promise<PlatformStatus>;
  /** All of the platform's state, as it is now, as a zip. */
  backup: () => Promise<Readable>;
  /** What there is to see on the machine that the platform runs on. */
  examine: () => Promise<Check[]>;
}

const nodes = z.object({
  nodes: z.array(
    z.object({
      name: z.string(),
      state: z.string(),
      role: z.enum(NODE_ROLES),
      diskPercent: z.number(),
      reason: z.string().optional(),
    }),
  ),
});
const FULL_PERCENT = 85;
const setup = z.object({ checks: z.array(checkSchema) });
/** Shorter than the command line waits. */
const SETUP_DEADLINE_MS = 25_000;

/** For operators: how everything is, and a copy of it all. */
export function maintenanceRoutes(app: HttpApp, deps: MaintenanceDeps): void {
  const tags = ['platform'];

  app.get(
    '/api/platform/doctor/',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Looks for what is wrong, and says what to do about it',
        description: 'Called by the CLI (`avishkar doctor`).',
        response: {
          200: z.object({ checks: z.array(checkSchema) }).meta({
            example: {
              checks: [{ name: 'disk', status: 'ok', detail: '80.1 GiB (32 %) are free below /srv/avishkar' }],
            },
          }),
        },
      },
    },
    async () => {
      const [services, machines, instances, own] = await Promise.all([
        lookAtServices(deps),
        lookAtMachines(deps),
        lookAtInstances(deps),
        deps.examine(),
      ]);
      return { checks: [...services, ...machines, ...instances, ...own] };
    },
  );

  app.get(
    '/api/platform/backup/',
    {
      // Whoever has it has every secret: a token that may only read may not take it, and it is written down who did.
      config: { access: 'admin', acts: true },
      schema: {
        tags,
        summary: 'All of the platform’s state as a zip: databases, apps, keys',
        description:
          'As of one moment, while everything goes on. It holds the keys of all secrets: keep it like a password. Called by the CLI (`avishkar backup`).',
        response: { 200: z.any().meta({ description: 'A zip', example: 'PK…' }) },
      },
    },
    async (_request, reply) => {
      const day = new Date(deps.clock.now()).toISOString().slice(0, 10);
      return reply
        .type('application/zip')
        .header('cache-control', 'no-store')
        .header('content-disposition', `attachment; filename="avishkar-${day}.zip"`)
        .send(await deps.backup());
    },
  );
}

async function lookAtServices({ status }: MaintenanceDeps): Promise<Check[]> {
  const { status: state, reason, services } = await status();
  const bad = services.filter((service) => service.health === 'failing' || service.state !== 'running');
  const summary: Check = {
    name: 'platform',
    status: state === 'running' ? 'ok' : state === 'degraded' ? 'failed' : 'warning',
    detail: `the platform is ${state}${reason ? `: ${reason}` : ''}`,
    ...(state === 'stopped' ? { remedy: 'start it: avishkar platform start' } : {}),
  };
  if (state === 'stopped') return [summary];
  return [
    summary,
    ...bad.map((service): Check => {
      const why = service.reason ? `: ${service.reason}` : '';
      return {
        name: service.name,
        status: 'failed',
        detail: `it is ${service.state}, its health ${service.health}${why}`,
        remedy: `it is started again by itself; its log is in logs/${service.name}_logs.log`,
      };
    }),
  ];
}

async function lookAtMachines({ client }: MaintenanceDeps): Promise<Check[]> {
  try {
    const answer = nodes.parse(await client.call('node-manager', 'GET', '/nodes'));
    const found = answer.nodes.map(({ name, state, diskPercent, reason }): Check => {
      const detail = `it is ${state}, its disk ${Math.round(diskPercent)} % full${reason ? `: ${reason}` : ''}`;
      if (state === 'lost' || state === 'suspect') {
        return { name, status: 'failed', detail, remedy: 'see whether it is up and can be reached' };
      }
      if (diskPercent < FULL_PERCENT) return { name, status: 'ok', detail };
      return { name, status: 'warning', detail, remedy: 'make room on it before it takes no more apps' };
    });
    // Of one that is lost it was said why.
    const own = answer.nodes.filter(({ state, role }) => role !== 'pretended' && state !== 'lost');
    return [...found, ...(await Promise.all(own.map(({ name }) => lookAtSetup(client, name)))).flat()];
  } catch (error) {
    return [{ name: 'machines', status: 'warning', detail: `they could not be asked for: ${messageOf(error)}` }];
  }
}

/** Whether a machine has all that it needs; of what is as it should be nothing is said one by one. */
async function lookAtSetup(client: ServiceClient, node: string): Promise<Check[]> {
  const name = `${node} setup`;
  try {
    const path = `/machines/${encodeURIComponent(node)}/check`;
    const { checks } = setup.parse(await client.call('node-manager', 'GET', path, { deadlineMs: SETUP_DEADLINE_MS }));
    const wrong = checks.filter(({ status }) => status !== 'ok');
    if (wrong.length === 0) return [{ name, status: 'ok', detail: 'it has all that it needs' }];
    return wrong.map((check) => ({ ...check, name: `${node} ${check.name}` }));
  } catch (error) {
    return [{ name, status: 'warning', detail: `it could not be looked at: ${messageOf(error)}` }];
  }
}

async function lookAtInstances({ database }: MaintenanceDeps): Promise<Check[]> {
  const rows = await database.read
    .selectFrom('instances')
    .select(['name', 'state', 'reason'])
    .where('state', 'in', ['failed', 'degraded'])
    .orderBy('name')
    .execute();
  if (rows.length === 0) return [{ name: 'instances', status: 'ok', detail: 'none is failed or degraded' }];
  return rows.map(
    ({ name, state, reason }): Check => ({
      name,
      status: 'warning',
      detail: `it is ${state}${reason ? `: ${reason}` : ''}`,
      remedy: `avishkar logs ${name}`,
    }),
  );
}
