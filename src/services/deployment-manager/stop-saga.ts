import type { SagaDefinition } from '../../kernel/saga-definition.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { DeploymentManagerTables } from './store.ts';

export interface StopContext {
  /** True when the instance was on its way up: its state becomes `cancelled`. */
  cancelled: boolean;
  /** Seconds its replicas may take to end. */
  stopSeconds: number;
}

/** Draining and removing on top of the app's own grace. */
const MARGIN_MS = 120_000;

/** Deregister at the load balancer, which removes the replicas, the route and the registry's entry; then confirm. */
export function stopSaga(deps: { client: ServiceClient }): SagaDefinition<StopContext, DeploymentManagerTables> {
  return {
    kind: 'stop',
    steps: [
      {
        name: 'deregister',
        deadlineMs: (context) => context.stopSeconds * 1000 + MARGIN_MS,
        async run(context, { signal, saga }) {
          const query = new URLSearchParams({ appName: saga.subject, keepImage: 'true' });
          await deps.client.call('load-balancer', 'POST', `/deregisterApp?${query}`, {
            signal,
            deadlineMs: context.stopSeconds * 1000 + MARGIN_MS,
          });
          return {};
        },
      },
    ],
    async onDone(unit, context, saga) {
      unit.send('first_topic', 'done stopped', { name: saga.subject }, saga.requestId, {
        app: { name: saga.subject },
        cancelled: context.cancelled,
      });
    },
    async onFailed(unit, _context, saga, failure) {
      unit.send('first_topic', 'error stop', { name: saga.subject, reason: failure.reason }, saga.requestId, {
        app: { name: saga.subject },
        code: failure.code,
      });
    },
  };
}
