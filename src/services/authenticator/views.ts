import { z } from 'zod';
import { ROLES } from '../../kernel/auth.ts';
import { SCOPES } from '../../kernel/scopes.ts';

/* What the routes answer. */

export const userView = z.object({
  username: z.string(),
  role: z.enum(ROLES),
  createdAt: z.string(),
  lastLoginAt: z.string().nullable(),
});

export const tokenView = z.object({
  id: z.string(),
  name: z.string(),
  username: z.string(),
  role: z.enum(ROLES),
  scopes: z.array(z.enum(SCOPES)),
  createdAt: z.string(),
  expiresAt: z.string().nullable(),
  lastUsedAt: z.string().nullable(),
});

export const auditView = z.object({
  id: z.number(),
  at: z.string(),
  actor: z.string(),
  action: z.string(),
  method: z.string(),
  path: z.string(),
  target: z.string().nullable(),
  status: z.number(),
  from: z.string(),
});
