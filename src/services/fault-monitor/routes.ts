import { z } from 'zod';
import type { HttpApp } from '../../kernel/http/app.ts';
import { SERVICES } from '../../kernel/service.ts';
import type { Database } from '../../ports/database.ts';
import type { FaultMonitorTables } from './store.ts';

const LATEST = {
  service: 'scheduler',
  healthy: true,
  lastSeen: '2026-11-22T08:00:00.000Z',
  lastChange: '2026-11-22T07:00:00.000Z',
  checkedAt: '2026-11-22T08:00:00.000Z',
  latencyMs: 1.2,
};

const health = z.object({
  service: z.string(),
  healthy: z.boolean(),
  /** The last good answer. */
  lastSeen: z.string().nullable(),
  /** When it last became well or unwell. */
  lastChange: z.string(),
  checkedAt: z.string(),
  latencyMs: z.number(),
  reason: z.string().optional(),
});
const check = z.object({
  service: z.string(),
  at: z.string(),
  healthy: z.boolean(),
  latencyMs: z.number(),
  reason: z.string().optional(),
});

export function routes(app: HttpApp, database: Database<FaultMonitorTables>): void {
  const tags = ['health'];

  app.get(
    '/services',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'How each service was at its last check',
        description: 'Called by the application manager and by operators.',
        response: { 200: z.object({ services: z.array(health) }).meta({ example: { services: [LATEST] } }) },
      },
    },
    async () => {
      const rows = await database.read.selectFrom('health').selectAll().orderBy('service').execute();
      return {
        services: rows.map((row) => ({
          service: row.service,
          healthy: row.healthy === 1,
          lastSeen: row.seen_at === null ? null : timeOf(row.seen_at),
          lastChange: timeOf(row.changed_at),
          checkedAt: timeOf(row.checked_at),
          latencyMs: row.latency_ms,
          ...(row.reason === null ? {} : { reason: row.reason }),
        })),
      };
    },
  );

  app.get(
    '/checks',
    {
      config: { access: 'user' },
      schema: {
        tags,
        summary: 'The checks of the last day, newest first',
        description: 'Called by the application manager and by operators.',
        querystring: z.object({
          service: z.enum(SERVICES).optional(),
          limit: z.coerce.number().int().min(1).max(1000).default(100),
        }),
        response: {
          200: z.object({ checks: z.array(check) }).meta({
            example: {
              checks: [{ service: 'scheduler', at: '2026-11-22T08:00:00.000Z', healthy: true, latencyMs: 1.2 }],
            },
          }),
        },
      },
    },
    async (request) => {
      let query = database.read.selectFrom('checks').selectAll().orderBy('at', 'desc').limit(request.query.limit);
      if (request.query.service) query = query.where('service', '=', request.query.service);
      const rows = await query.execute();
      return {
        checks: rows.map((row) => ({
          service: row.service,
          at: timeOf(row.at),
          healthy: row.healthy === 1,
          latencyMs: row.latency_ms,
          ...(row.reason === null ? {} : { reason: row.reason }),
        })),
      };
    },
  );
}

function timeOf(at: number): string {
  return new Date(at).toISOString();
}
