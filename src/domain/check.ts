import { z } from 'zod';

/** One thing that `doctor` looked at. */
export const checkSchema = z.object({
  name: z.string(),
  status: z.enum(['ok', 'warning', 'failed']),
  /** What was found, in one sentence. */
  detail: z.string(),
  /** What to do about it. */
  remedy: z.string().optional(),
});
export type Check = z.infer<typeof checkSchema>;
