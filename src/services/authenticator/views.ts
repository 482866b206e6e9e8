import { z } from 'zod';
import { ROLES } from '../../kernel/auth.ts';
import { SCOPES } from '../../kernel/scopes.ts';

/* What the routes answer. */

export const userView = z.object({
  username: z.string().meta({ example: 'alice' }),
  role: z.enum(ROLES),
  createdAt: z.string().meta({ example: '2026-11-20T09:30:00.000Z' }),
  lastLoginAt: z.string().nullable().meta({ example: '2026-11-22T08:00:00.000Z' }),
});

export const tokenView = z.object({
  id: z.string().meta({ example: '9f2c4e6a8b0d1f35' }),
  name: z.string().meta({ example: 'build server' }),
  username: z.string().meta({ example: 'dora' }),
  role: z.enum(ROLES),
  scopes: z.array(z.enum(SCOPES)),
  createdAt: z.string().meta({ example: '2026-11-20T09:30:00.000Z' }),
  expiresAt: z.string().nullable().meta({ example: '2027-11-20T09:30:00.000Z' }),
  lastUsedAt: z.string().nullable().meta({ example: null }),
});

export const auditView = z.object({
  id: z.number().meta({ example: 4711 }),
  at: z.string().meta({ example: '2026-11-22T08:00:00.000Z' }),
  actor: z.string().meta({ example: 'alice' }),
  action: z.string().meta({ example: 'Stops an instance' }),
  method: z.string().meta({ example: 'POST' }),
  path: z.string().meta({ example: '/api/deployedApps/stopApp/' }),
  target: z.string().nullable().meta({ example: 'room-comfort-1' }),
  status: z.number().meta({ example: 202 }),
  from: z.string().meta({ example: '192.0.2.7' }),
});
