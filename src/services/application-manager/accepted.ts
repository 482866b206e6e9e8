import { z } from 'zod';
import { INSTANCE_STATES } from '../../domain/instance.ts';
import { INSTANCE, REQUEST_ID } from './examples.ts';

/** What a command on an instance answers at once; the rest shows in the instance's state. */
export const acceptedSchema = z
  .object({ instanceName: z.string(), requestId: z.string(), state: z.enum(INSTANCE_STATES) })
  .meta({ example: { instanceName: INSTANCE.instanceName, requestId: REQUEST_ID, state: 'requested' } });
export type Accepted = z.infer<typeof acceptedSchema>;
