import { z } from 'zod';
import { checkSchema } from '../domain/check.ts';
import { INSTANCE_STATES } from '../domain/instance.ts';

/*
 * What the commands read of the platform's answers. Fields that a newer platform adds are kept for --json and
 * otherwise passed over.
 */

const manifest = z.looseObject({
  description: z.string().default(''),
  runtime: z.string(),
  config: z.array(z.looseObject({ key: z.string(), type: z.string() })).default([]),
});

export const appsAnswer = z.looseObject({
  apps: z.array(
    z.looseObject({
      name: z.string(),
      versions: z.array(
        z.looseObject({
          version: z.string(),
          sizeBytes: z.number(),
          uploadedAt: z.string(),
          uploadedBy: z.string(),
          manifest,
        }),
      ),
    }),
  ),
});

export const uploadAnswer = z.looseObject({ name: z.string(), version: z.string(), sizeBytes: z.number() });

export const acceptedAnswer = z.looseObject({
  instanceName: z.string(),
  requestId: z.string(),
  state: z.enum(INSTANCE_STATES),
});

export const instanceAnswer = z.looseObject({
  instanceName: z.string(),
  appName: z.string(),
  version: z.string(),
  state: z.enum(INSTANCE_STATES),
  endpoint: z.string().nullable(),
  node: z.string().nullable(),
  replicas: z.array(
    z.looseObject({
      name: z.string(),
      node: z.string(),
      hostPort: z.number(),
      state: z.string(),
      cpuPercent: z.number().nullable(),
      memoryPercent: z.number().nullable(),
      restarts: z.number(),
      reason: z.string().optional(),
    }),
  ),
  scale: z.looseObject({ min: z.number(), max: z.number() }),
  config: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  reason: z.string().optional(),
  lastLogLines: z.array(z.string()).optional(),
  rollout: z
    .looseObject({
      version: z.string(),
      state: z.string(),
      reason: z.string().optional(),
      lastLogLines: z.array(z.string()).optional(),
    })
    .optional(),
  createdAt: z.string(),
  createdBy: z.string(),
});
export type Instance = z.infer<typeof instanceAnswer>;

export const instancesAnswer = z.looseObject({ apps: z.array(instanceAnswer) });

export const logLine = z.looseObject({ ts: z.string(), replica: z.string(), stream: z.string(), line: z.string() });
export type LogLine = z.infer<typeof logLine>;
export const linesAnswer = z.looseObject({ lines: z.array(logLine) });

export const timelineEntry = z.looseObject({ ts: z.string(), kind: z.string(), text: z.string() });
export const timelineAnswer = z.looseObject({ events: z.array(timelineEntry) });

export const liveEvent = z.looseObject({ instance: z.string(), at: z.string(), kind: z.string(), text: z.string() });

export const metricsAnswer = z.looseObject({
  from: z.string(),
  to: z.string(),
  stepSeconds: z.number(),
  series: z.array(
    z.looseObject({ replica: z.string(), points: z.array(z.tuple([z.number(), z.number(), z.number()])) }),
  ),
});

export const nodesAnswer = z.looseObject({
  nodes: z.array(
    z.looseObject({
      name: z.string(),
      address: z.string(),
      state: z.string(),
      cpuPercent: z.number(),
      memoryPercent: z.number(),
      diskPercent: z.number(),
      score: z.number(),
      replicas: z.number(),
      lastSeen: z.string().nullable(),
      reason: z.string().optional(),
    }),
  ),
});

export const checksAnswer = z.looseObject({ name: z.string(), checks: z.array(checkSchema) });

export const letGoAnswer = z.looseObject({ name: z.string() });

export const wishedAnswer = z.looseObject({ name: z.string(), state: z.string() });

export const loginAnswer = z.looseObject({ token: z.string(), role: z.string(), expiresAt: z.string() });

export const emptyAnswer = z.looseObject({});

export const userAnswer = z.looseObject({
  username: z.string(),
  role: z.string(),
  createdAt: z.string(),
  lastLoginAt: z.string().nullable(),
});
export const usersAnswer = z.looseObject({ users: z.array(userAnswer) });

const tokenAnswer = z.looseObject({
  id: z.string(),
  name: z.string(),
  username: z.string(),
  role: z.string(),
  scopes: z.array(z.string()),
  createdAt: z.string(),
  expiresAt: z.string().nullable(),
  lastUsedAt: z.string().nullable(),
});
export const tokensAnswer = z.looseObject({ tokens: z.array(tokenAnswer) });
export const newTokenAnswer = tokenAnswer.extend({ token: z.string() });

export const auditAnswer = z.looseObject({
  entries: z.array(
    z.looseObject({
      id: z.number(),
      at: z.string(),
      actor: z.string(),
      action: z.string(),
      method: z.string(),
      path: z.string(),
      target: z.string().nullable(),
      status: z.number(),
      from: z.string(),
    }),
  ),
});
const window = z.looseObject({ start: z.string(), end: z.string().nullable() });
export type Window = z.infer<typeof window>;

export const previewAnswer = z.looseObject({ next: z.array(window), notes: z.array(z.string()).default([]) });

export const scheduledAnswer = z.looseObject({
  scheduleId: z.string(),
  instanceName: z.string(),
  next: z.array(window),
  notes: z.array(z.string()).default([]),
});

export const scheduleAnswer = z.looseObject({
  scheduleId: z.string(),
  instanceName: z.string(),
  appName: z.string(),
  version: z.string().nullable(),
  timezone: z.string(),
  recurrence: z.string().nullable(),
  state: z.string(),
  next: z.array(window),
  lastOutcome: z.looseObject({ at: z.string(), text: z.string() }).optional(),
});
export type Schedule = z.infer<typeof scheduleAnswer>;

export const schedulesAnswer = z.looseObject({ schedules: z.array(scheduleAnswer) });
export const removedAnswer = z.looseObject({ detail: z.string() });
