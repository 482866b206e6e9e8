import { z } from 'zod';

/* What is read of Docker's answers. What else is in them is passed over. */

const labels = z
  .record(z.string(), z.string())
  .nullish()
  .transform((each) => each ?? {});
const strings = z
  .array(z.string())
  .nullish()
  .transform((each) => each ?? []);

export const infoSchema = z.object({
  DockerRootDir: z.string(),
  NCPU: z.number().default(1),
  /** Bytes. */
  MemTotal: z.number().default(0),
});
export type DockerInfo = z.infer<typeof infoSchema>;

export const containerSummarySchema = z.object({
  Id: z.string(),
  Names: z.array(z.string()),
  Labels: labels,
  /** created, running, paused, restarting, removing, exited, dead */
  State: z.string(),
  /** For a person: `Exited (137) 3 minutes ago`. */
  Status: z.string(),
});
export type ContainerSummary = z.infer<typeof containerSummarySchema>;

export const containerSchema = z.object({
  Id: z.string(),
  Name: z.string(),
  Config: z.object({ Labels: labels }),
  State: z.object({
    Status: z.string(),
    ExitCode: z.number(),
    OOMKilled: z.boolean().default(false),
    FinishedAt: z.string(),
  }),
});
export type ContainerDetails = z.infer<typeof containerSchema>;

/** Of a container, and of an image alike. `Image`: the one that a container was made of. */
export const environmentSchema = z.object({
  Image: z.string().optional(),
  Config: z.object({ Env: strings }).nullish(),
});

export const createdSchema = z.object({ Id: z.string() });

export const imageSummarySchema = z.object({ Id: z.string(), RepoTags: strings, Labels: labels });

export const imageSchema = z.object({
  Id: z.string(),
  RepoTags: strings,
  Config: z.object({ Labels: labels }).nullish(),
});

export const eventSchema = z.object({
  Action: z.string(),
  Actor: z.object({ ID: z.string(), Attributes: labels }),
});
export type DockerEvent = z.infer<typeof eventSchema>;

export const progressSchema = z.object({
  stream: z.string().optional(),
  status: z.string().optional(),
  id: z.string().optional(),
  progressDetail: z.record(z.string(), z.unknown()).nullish(),
  error: z.string().optional(),
});
