import { AvkError } from '../../domain/errors.ts';
import type { Scale } from '../../domain/manifest.ts';
import type { SagaDefinition } from '../../kernel/saga-definition.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { ApplicationManagerTables } from './store.ts';

export interface ScaleContext {
  generation: number;
  scale: Pick<Scale, 'min' | 'max'>;
}

const DEADLINE_MS = 60_000;

/** Tells the load balancer, until it has heard. */
export function scaleSaga(deps: { client: ServiceClient }): SagaDefinition<ScaleContext, ApplicationManagerTables> {
  return {
    kind: 'scale',
    steps: [
      {
        name: 'tell',
        deadlineMs: () => DEADLINE_MS,
        async run(context, { signal, saga }) {
          const body = { generation: context.generation, ...context.scale };
          try {
            await deps.client.call('load-balancer', 'POST', `/instances/${saga.subject}/scale`, { body, signal });
          } catch (error) {
            // Stopped in the meantime: there is nothing left to scale.
            if (error instanceof AvkError && error.code === 'AVK_NOT_FOUND') return {};
            throw error;
          }
          return {};
        },
      },
    ],
    async onDone() {
      // The load balancer reports what comes of it.
    },
    async onFailed() {
      // The intent stays in the instance's row; the next scale or start carries it.
    },
  };
}
