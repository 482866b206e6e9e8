import { z } from 'zod';
import { messageOf } from '../../domain/errors.ts';
import { PLATFORM_STATES } from '../../domain/service-plan.ts';
import { SERVICES, serviceOf } from '../../kernel/service.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Log } from '../../ports/log.ts';
import type { PlatformGate } from './platform-gate.ts';

/** `GET /api/platform/status/`. */
export const platformStatusSchema = z.object({
  status: z.enum(PLATFORM_STATES),
  since: z.string(),
  reason: z.string().optional(),
  services: z.array(
    z.object({
      name: z.string(),
      state: z.string(),
      node: z.string(),
      /** Where users reach it. */
      address: z.string(),
      /** Where it runs. */
      direct: z.string(),
      health: z.enum(['ok', 'failing', 'unknown']),
      lastSeen: z.string().nullable(),
      /** When it last became well or unwell. */
      lastChange: z.string().nullable(),
      restarts: z.number(),
      reason: z.string().optional(),
    }),
  ),
});
export type PlatformStatus = z.infer<typeof platformStatusSchema>;

const initializerAnswer = z.object({
  timestamp: z.string(),
  status: z.enum(PLATFORM_STATES),
  reason: z.string(),
  services: z.array(
    z.object({
      service_name: z.string(),
      state: z.string(),
      node: z.string(),
      address: z.string(),
      direct: z.string(),
      restarts: z.number(),
      reason: z.string().optional(),
    }),
  ),
});
const monitorAnswer = z.object({
  services: z.array(
    z.object({
      service: z.string(),
      healthy: z.boolean(),
      lastSeen: z.string().nullable(),
      lastChange: z.string(),
      reason: z.string().optional(),
    }),
  ),
});
type Health = z.infer<typeof monitorAnswer>['services'][number];

const DEADLINE_MS = 2000;

/** What the platform initializer knows of the services, with what the fault monitor knows of their health. */
export function createPlatformStatus(deps: {
  client: ServiceClient;
  gate: PlatformGate;
  log: Log;
}): () => Promise<PlatformStatus> {
  const { client, gate, log } = deps;

  async function ask<S extends z.ZodType>(
    service: 'platform-initializer' | 'fault-monitor',
    path: string,
    schema: S,
  ): Promise<z.infer<S> | null> {
    try {
      return schema.parse(await client.call(service, 'GET', path, { deadlineMs: DEADLINE_MS }));
    } catch (error) {
      log.debug({ service, reason: messageOf(error) }, 'the status is given without what this service knows');
      return null;
    }
  }

  return async () => {
    const [known, monitored, told] = await Promise.all([
      ask('platform-initializer', '/status', initializerAnswer),
      ask('fault-monitor', '/services', monitorAnswer),
      gate.current(),
    ]);
    const health = new Map((monitored?.services ?? []).map((entry) => [entry.service, entry]));
    const reason = known?.reason ?? told.reason;
    return {
      // A stop that was asked for a moment ago may not have reached the initializer yet.
      status: told.state === 'stopping' && known?.status === 'running' ? 'stopping' : (known?.status ?? told.state),
      since: known?.timestamp ?? new Date(told.since).toISOString(),
      ...(reason ? { reason } : {}),
      services: (known?.services ?? []).map((row) => serviceView(row, health)).sort(inOrder),
    };
  };
}

function serviceView(
  row: z.infer<typeof initializerAnswer>['services'][number],
  health: ReadonlyMap<string, Health>,
): PlatformStatus['services'][number] {
  const name = serviceOf(row.service_name) ?? row.service_name;
  const checked = row.state === 'stopped' ? undefined : health.get(name);
  const reason = row.reason ?? checked?.reason;
  return {
    name,
    state: row.state,
    node: row.node,
    address: row.address,
    direct: row.direct,
    health: checked === undefined ? 'unknown' : checked.healthy ? 'ok' : 'failing',
    lastSeen: health.get(name)?.lastSeen ?? null,
    lastChange: health.get(name)?.lastChange ?? null,
    restarts: row.restarts,
    ...(reason ? { reason } : {}),
  };
}

function inOrder(a: { name: string }, b: { name: string }): number {
  const names: readonly string[] = SERVICES;
  return names.indexOf(a.name) - names.indexOf(b.name);
}
