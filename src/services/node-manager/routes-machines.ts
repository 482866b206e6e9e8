import { z } from 'zod';
import { type Check, checkSchema } from '../../domain/check.ts';
import { AvkError, messageOf } from '../../domain/errors.ts';
import { type VmEntry, vmEntrySchema } from '../../domain/service-entry.ts';
import type { HttpApp } from '../../kernel/http/app.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import type { Machine, Machines } from '../../ports/machines.ts';
import type { Fleet } from './fleet.ts';
import { writeRoster } from './roster.ts';
import type { NodeManagerTables } from './store.ts';

export interface MachineRouteDeps {
  fleet: Fleet;
  machines: Machines;
  database: Database<NodeManagerTables>;
  clock: Clock;
  log: Log;
  /** What a machine needs, looked at one by one. */
  check: (machine: Machine) => Promise<Check[]>;
  /** What the configuration has of that name. */
  configured: (name: string) => VmEntry | null;
  /** Whether NGINX runs on it, for all apps. */
  isBalancer: (name: string) => boolean;
}

const params = z.object({ name: z.string().min(1).max(63) });
const entry = vmEntrySchema
  .refine(({ vm_key_path }) => vm_key_path === '' || vm_key_path.startsWith('/'), {
    path: ['vm_key_path'],
    message: 'expected the absolute path of a private key on the machine of the platform, or nothing for its SSH agent',
  })
  .meta({
    example: {
      vm_name: 'VM4',
      vm_ip: '10.0.0.14',
      vm_username: 'avishkar',
      vm_key_path: '/home/avishkar/.ssh/id_ed25519',
      vm_service_path: '/home/avishkar/Services',
    },
  });
const checks = z.object({ name: z.string(), checks: z.array(checkSchema) }).meta({
  example: { name: 'VM4', checks: [{ name: 'ssh', status: 'ok', detail: 'signed in as avishkar' }] },
});

/** Machines that are taken in, looked at and let go of while the platform runs. */
export function machineRoutes(app: HttpApp, deps: MachineRouteDeps): void {
  const { fleet, machines, database, clock } = deps;
  const tags = ['nodes'];
  const description = 'Called by the application manager.';
  /** Names of machines that are being taken in: of two at once the second would be in the first one's place. */
  const coming = new Set<string>();

  async function close({ host, runtime }: Machine): Promise<void> {
    try {
      await runtime.close();
      await host.close();
    } catch (error) {
      deps.log.debug({ node: host.name, reason: messageOf(error) }, 'a connection could not be closed well');
    }
  }

  app.post(
    '/machines/check',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Says what a machine lacks before it can be taken in',
        description,
        body: entry,
        response: { 200: checks },
      },
    },
    async (request) => {
      const own = machines.has(request.body.vm_name) ? machines.get(request.body.vm_name) : null;
      const machine = own?.host.address === request.body.vm_ip && !machines.fixed ? own : machines.open(request.body);
      try {
        return { name: request.body.vm_name, checks: await deps.check(machine) };
      } finally {
        if (machine !== own) await close(machine);
      }
    },
  );

  app.get(
    '/machines/:name/check',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Says what a machine of the platform lacks',
        description,
        params,
        response: { 200: checks },
      },
    },
    async (request) => {
      const { name } = request.params;
      return { name, checks: await deps.check(known(name)) };
    },
  );

  app.post(
    '/machines',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Takes a machine in, if it lacks nothing',
        description: `${description} Repeating it with the same machine is harmless.`,
        body: entry,
        response: { 201: checks },
      },
    },
    async (request, reply) => {
      const wanted = request.body;
      refuseTaken(wanted);
      if (coming.has(wanted.vm_name)) throw new AvkError('AVK_CONFLICT', `${wanted.vm_name} is being taken in already`);
      const machine = machines.open(wanted);
      coming.add(wanted.vm_name);
      let found: Check[];
      try {
        found = await deps.check(machine);
        refuseLacking(wanted.vm_name, found);
        const before = deps.configured(wanted.vm_name);
        await database.transaction((tx) => writeRoster(tx, wanted.vm_name, wanted, before, clock.now()));
        machines.add(machine);
      } catch (error) {
        await close(machine);
        throw error;
      } finally {
        coming.delete(wanted.vm_name);
      }
      return reply.status(201).send({ name: wanted.vm_name, checks: found });
    },
  );

  app.delete(
    '/machines/:name',
    {
      config: { access: 'admin' },
      schema: {
        tags,
        summary: 'Lets go of a machine that is empty, or lost for good',
        description,
        params,
        response: { 200: z.string().meta({ example: 'Success' }) },
      },
    },
    async (request) => {
      const { name } = request.params;
      known(name);
      if (deps.isBalancer(name)) {
        throw new AvkError('AVK_UNACCEPTABLE', `${name} is the machine that NGINX runs on; the platform needs it`);
      }
      const node = fleet.view().nodes.find((each) => each.name === name);
      if (node && node.state !== 'lost' && node.replicas > 0) {
        const count = `${node.replicas} ${node.replicas === 1 ? 'replica runs' : 'replicas run'}`;
        throw new AvkError('AVK_CONFLICT', `${count} on ${name}; drain it first: avishkar drain ${name}`);
      }
      await database.transaction(async (tx) => {
        await writeRoster(tx, name, null, deps.configured(name), clock.now());
        await tx.deleteFrom('node_wishes').where('node', '=', name).execute();
      });
      await machines.remove(name);
      return 'Success';
    },
  );

  function known(name: string): Machine {
    if (machines.fixed) throw new AvkError('AVK_UNACCEPTABLE', machines.fixed);
    if (machines.has(name)) return machines.get(name);
    const names = machines.list().map(({ host }) => host.name);
    throw new AvkError('AVK_NOT_FOUND', `there is no machine ${name}; there is ${names.join(', ') || 'none'}`);
  }

  function refuseTaken({ vm_name, vm_ip }: VmEntry): void {
    for (const { host } of machines.list()) {
      const sameName = host.name.toLowerCase() === vm_name.toLowerCase();
      if (!sameName && host.address !== vm_ip) continue;
      const path = sameName ? 'vm_name' : 'vm_ip';
      const received = sameName ? vm_name : vm_ip;
      throw new AvkError(
        'AVK_CONFLICT',
        `${path}: ${host.name} (${host.address}) is a machine of the platform already`,
        {
          errors: [{ path, message: 'expected one that no machine of the platform has', received }],
        },
      );
    }
  }
}

function refuseLacking(name: string, checks: readonly Check[]): void {
  const failed = checks.filter(({ status }) => status === 'failed');
  if (failed.length === 0) return;
  const [first] = failed;
  const more = failed.length > 1 ? `, and ${failed.length - 1} more` : '';
  throw new AvkError('AVK_UNACCEPTABLE', `${name} cannot be taken in: ${first?.detail}${more}`, {
    errors: failed.map(({ name: path, detail, remedy }) => ({ path, message: remedy ?? detail, received: detail })),
  });
}
