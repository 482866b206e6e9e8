import type { Unit } from '../../kernel/messenger.ts';
import type { SagaDefinition, SagaRef } from '../../kernel/saga-definition.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Clock } from '../../ports/clock.ts';
import type { DeploymentManagerTables } from './store.ts';

export interface StopContext {
  /** True when the instance was on its way up: its state becomes `cancelled`. */
  cancelled: boolean;
  /** Seconds its replicas may take to end. */
  stopSeconds: number;
  /** How often it was given up so far. */
  failures?: number;
}

/** Draining and removing on top of the app's own grace. */
const MARGIN_MS = 120_000;
/** Before it is tried anew: whatever was in its way for minutes is hardly gone in seconds. */
const PAUSE_MS = 15_000;

export interface StopDeps {
  client: ServiceClient;
  clock: Clock;
  /** Begins a stop for the same request. */
  again: (unit: Unit<DeploymentManagerTables>, saga: SagaRef, context: StopContext) => Promise<void>;
}

/**
 * Deregister at the load balancer, which removes the replicas, the route and the registry's entry; then confirm. A stop
 * that fails, as when the balancer's machine is away, says so and begins anew: nobody has to ask twice.
 */
export function stopSaga(deps: StopDeps): SagaDefinition<StopContext, DeploymentManagerTables> {
  return {
    kind: 'stop',
    steps: [
      {
        name: 'deregister',
        deadlineMs: (context) => context.stopSeconds * 1000 + MARGIN_MS + PAUSE_MS,
        async run(context, { signal, saga }) {
          if (context.failures) await deps.clock.sleep(PAUSE_MS, signal);
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
    async onFailed(unit, context, saga, failure) {
      unit.send('first_topic', 'error stop', { name: saga.subject, reason: failure.reason }, saga.requestId, {
        app: { name: saga.subject },
        code: failure.code,
      });
      await deps.again(unit, saga, { ...context, failures: (context.failures ?? 0) + 1 });
    },
  };
}
