import { z } from 'zod';
import { messageOf } from '../../domain/errors.ts';
import { ENDED } from '../../domain/instance.ts';
import type { Principal } from '../../kernel/auth.ts';
import type { ServerSentEvent } from '../../kernel/http/stream.ts';
import type { ServiceName } from '../../kernel/service.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import { maySee } from './access.ts';
import type { ApplicationManagerTables } from './store.ts';

/** The figures of the live stream: events `nodes` and `usage`, about once a second. */
export interface LiveFigures {
  /** Sends them until the returned function is called. While nobody follows, nothing is asked and nothing is done. */
  follow(principal: Principal, send: (event: ServerSentEvent) => void): () => void;
}

export interface LiveFiguresDeps {
  client: ServiceClient;
  database: Database<ApplicationManagerTables>;
  clock: Clock;
  log: Log;
}

const EVERY_MS = 1000;
const DEADLINE_MS = 2000;

const nodesAnswer = z.object({ nodes: z.array(z.unknown()) });
const instancesAnswer = z.object({
  instances: z.array(
    z.object({
      name: z.string(),
      replicas: z.array(
        z.object({
          name: z.string(),
          id: z.string(),
          state: z.string(),
          cpuPercent: z.number().nullable(),
          memoryPercent: z.number().nullable(),
        }),
      ),
    }),
  ),
});
type Usage = { owner: string; instanceName: string; replicas: object[] };

export function createLiveFigures({ client, database, clock, log }: LiveFiguresDeps): LiveFigures {
  const followers = new Set<{ principal: Principal; send: (event: ServerSentEvent) => void }>();
  const silent = new Set<ServiceName>();
  let running: AbortController | null = null;

  /** Null when the service does not answer: then there is nothing to tell for now. */
  async function ask<T>(
    service: ServiceName,
    path: string,
    schema: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<T | null> {
    try {
      const answer = schema.parse(await client.call(service, 'GET', path, { deadlineMs: DEADLINE_MS, signal }));
      if (silent.delete(service)) log.info({ service }, 'live figures come again');
      return answer;
    } catch (error) {
      if (!signal.aborted && !silent.has(service)) {
        silent.add(service);
        log.warn({ service, reason: messageOf(error) }, 'no live figures for now');
      }
      return null;
    }
  }

  async function readUsage(signal: AbortSignal): Promise<Usage[] | null> {
    const answer = await ask('load-balancer', '/instances', instancesAnswer, signal);
    if (!answer) return null;
    const rows = await database.read
      .selectFrom('instances')
      .select(['name', 'created_by'])
      .where('state', 'not in', ENDED)
      .execute();
    const owners = new Map(rows.map((row) => [row.name, row.created_by]));
    // What nobody deployed here, such as the platform's own services, is nobody's instance.
    return answer.instances.flatMap(({ name, replicas }) => {
      const owner = owners.get(name);
      return owner === undefined ? [] : [{ owner, instanceName: name, replicas }];
    });
  }

  async function look(signal: AbortSignal): Promise<void> {
    const [nodes, usage] = await Promise.all([ask('node-manager', '/nodes', nodesAnswer, signal), readUsage(signal)]);
    for (const { principal, send } of followers) {
      if (nodes) send({ event: 'nodes', data: nodes });
      if (!usage) continue;
      const seen = usage.filter(({ owner }) => maySee(principal, owner));
      send({ event: 'usage', data: { instances: seen.map(({ owner: _, ...instance }) => instance) } });
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await look(signal).catch((error) => log.warn({ reason: messageOf(error) }, 'live figures could not be told'));
      await clock.sleep(EVERY_MS, signal).catch(() => undefined);
    }
  }

  return {
    follow(principal, send) {
      const follower = { principal, send };
      followers.add(follower);
      if (!running) {
        running = new AbortController();
        void run(running.signal);
      }
      return () => {
        followers.delete(follower);
        if (followers.size > 0) return;
        running?.abort();
        running = null;
      };
    },
  };
}
