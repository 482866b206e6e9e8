import type { SagaDefinition } from '../../kernel/saga-definition.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { DeploymentManagerTables } from './store.ts';

const DEADLINE_MS = 60_000;

/**
 * `deploy app$NAME` from a program that knows the starting document's texts and nothing else: the application manager
 * makes instance NAME of base app NAME with defaults, and asks again with all that it takes, under the same request id.
 */
export function requestSaga(deps: {
  client: ServiceClient;
}): SagaDefinition<Record<string, never>, DeploymentManagerTables> {
  return {
    kind: 'request',
    steps: [
      {
        name: 'ask',
        deadlineMs: () => DEADLINE_MS,
        async run(_context, { signal, saga }) {
          const body = { name: saga.subject, requestId: saga.requestId };
          await deps.client.call('application-manager', 'POST', '/instances/request', { body, signal });
          return {};
        },
      },
    ],
    async onDone() {
      // The application manager's own `deploy app` goes on from here.
    },
    async onFailed(unit, _context, saga, failure) {
      unit.send('first_topic', 'error deploy', { name: saga.subject, reason: failure.reason }, saga.requestId, {
        app: { name: saga.subject },
        code: failure.code,
      });
    },
  };
}
