import { Command } from 'commander';
import { z } from 'zod';
import { AvkError } from '../domain/errors.ts';
import { clock } from './clock.ts';
import { clientCommand, contextOf, interrupted } from './command.ts';
import { ago, table } from './format.ts';

const STATUS = '/api/platform/status/';
const EVERY_MS = 200;
const LONGEST_MS = 10 * 60_000;

const statusAnswer = z.looseObject({
  status: z.enum(['running', 'starting', 'stopping', 'stopped', 'degraded']),
  since: z.string(),
  reason: z.string().optional(),
  services: z.array(
    z.looseObject({
      name: z.string(),
      state: z.string(),
      node: z.string(),
      address: z.string(),
      health: z.string(),
      lastSeen: z.string().nullable(),
      restarts: z.number(),
      reason: z.string().optional(),
    }),
  ),
});
type Status = z.infer<typeof statusAnswer>;
type Options = { url?: string; json?: boolean; wait?: boolean };

const COLOURS = { running: 'green', stopped: 'yellow', starting: 'yellow', stopping: 'yellow' } as const;
const colourOf = (state: string): 'green' | 'yellow' | 'red' => COLOURS[state as keyof typeof COLOURS] ?? 'red';

/** `avishkar platform start|stop|status`: the platform's own services, while its process runs. */
export function platformCommand(): Command {
  return new Command('platform')
    .description('Starts and stops the services of a platform that is up, and says how they are; apps go on either way')
    .addCommand(toggle('start', 'running'))
    .addCommand(toggle('stop', 'stopped'))
    .addCommand(
      clientCommand('status', 'Says how the platform and each of its services is').action(async (options: Options) => {
        const { client, out } = contextOf(options);
        show(await client.get(STATUS, statusAnswer), out);
      }),
    );
}

function toggle(verb: 'start' | 'stop', wanted: 'running' | 'stopped'): Command {
  return clientCommand(
    verb,
    verb === 'start' ? 'Starts the services' : 'Stops the services; apps and their routes stay',
  )
    .option('--no-wait', 'do not wait until it is done')
    .action(async (options: Options) => {
      const { client, out } = contextOf(options);
      const accepted = z.looseObject({ requestId: z.string() });
      const answer = await client.post(`/api/platform/${verb}/`, {}, accepted);
      if (options.wait === false) {
        if (out.json) out.document(answer);
        out.say(`Asked the platform to ${verb}.`);
        return;
      }
      out.hint(`${verb === 'start' ? 'Starting' : 'Stopping'} the platform’s services …`);
      const signal = interrupted();
      const end = clock.monotonic() + LONGEST_MS;
      for (;;) {
        const status = await client.get(STATUS, statusAnswer);
        if (status.status === wanted) return show(status, out);
        // Degraded: some could not be started, and are tried again.
        if (verb === 'start' && status.status === 'degraded') {
          show(status, out);
          throw new AvkError('AVK_SERVICE_UNAVAILABLE', status.reason ?? 'not every service runs');
        }
        if (signal.aborted || clock.monotonic() > end) {
          throw new AvkError(
            'AVK_DEADLINE',
            `the platform is still ${status.status}; see: npx avishkar platform status`,
          );
        }
        await clock.sleep(EVERY_MS, signal).catch(() => undefined);
      }
    });
}

function show(status: Status, out: ReturnType<typeof contextOf>['out']): void {
  if (out.json) {
    out.document(status);
    return;
  }
  const reason = status.reason ? `: ${status.reason}` : '';
  out.say(
    `The platform is ${out.paint(colourOf(status.status), status.status)} since ${ago(status.since, clock.now())}${reason}`,
  );
  const rows = status.services.map((service) => [
    service.name,
    out.paint(colourOf(service.state), service.state),
    out.paint(service.health === 'failing' ? 'red' : 'green', service.health === 'unknown' ? '' : service.health),
    service.node,
    service.address,
    service.lastSeen === null ? '' : ago(service.lastSeen, clock.now()),
    String(service.restarts),
    service.reason ?? '',
  ]);
  out.say(table(['SERVICE', 'STATE', 'HEALTH', 'NODE', 'ADDRESS', 'SEEN', 'RESTARTS', ''], rows, out.paint));
}
