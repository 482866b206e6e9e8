import { AvkError } from '../../domain/errors.ts';
import { reasonAt } from '../../domain/failure-reason.ts';
import type { InstanceSpec } from '../../domain/instance.ts';
import type { Unit } from '../../kernel/messenger.ts';
import type { SagaDefinition } from '../../kernel/saga-definition.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { BlobStore } from '../../ports/blob-store.ts';
import { type LaunchContext, populateBundle, removeBundle } from './launch-saga.ts';
import type { ApplicationManagerTables } from './store.ts';

export interface RolloutContext {
  spec: InstanceSpec;
  /** The uploaded zip in `baseApps`. */
  source: string;
  /** The settings with secrets sealed, as kept beside the bundle. */
  settings: LaunchContext['settings'];
}

export interface WithdrawContext {
  generation: number;
}

const POPULATE_DEADLINE_MS = 60_000;
const TELL_DEADLINE_MS = 60_000;
type T = ApplicationManagerTables;

export interface RolloutSagaDeps {
  blobs: BlobStore;
  client: ServiceClient;
  onFailed: (unit: Unit<T>, name: string, generation: number, reason: string) => Promise<void>;
}

/** Pulls the new version's bundle, puts the settings with it, and tells the load balancer until it has heard. */
export function rolloutSaga(deps: RolloutSagaDeps): SagaDefinition<RolloutContext, T> {
  return {
    kind: 'rollout',
    steps: [
      {
        name: 'populate',
        deadlineMs: () => POPULATE_DEADLINE_MS,
        async run(context) {
          await populateBundle(deps.blobs, context);
          return {};
        },
        async undo(context) {
          await removeBundle(deps.blobs, context.spec);
        },
      },
      {
        name: 'tell',
        deadlineMs: () => TELL_DEADLINE_MS,
        async run(context, { signal, saga }) {
          const body = { spec: context.spec };
          await unlessGone(
            deps.client.call('load-balancer', 'POST', `/instances/${saga.subject}/rollout`, { body, signal }),
          );
          return {};
        },
        async undo(context, { signal, saga }) {
          await withdraw(deps.client, saga.subject, context.spec.generation, signal);
        },
      },
    ],
    async onDone() {
      // The load balancer reports what comes of it.
    },
    async onFailed(unit, context, saga, failure) {
      // One that was replaced or stopped has nobody who waits for it.
      if (failure.cancelled) return;
      await deps.onFailed(unit, saga.subject, context.spec.generation, reasonAt('preparing', '', failure.reason));
    },
  };
}

/** Tells the load balancer that a rollout is not wanted any more. */
export function withdrawSaga(deps: { client: ServiceClient }): SagaDefinition<WithdrawContext, T> {
  return {
    kind: 'withdraw',
    steps: [
      {
        name: 'tell',
        deadlineMs: () => TELL_DEADLINE_MS,
        async run(context, { signal, saga }) {
          await withdraw(deps.client, saga.subject, context.generation, signal);
          return {};
        },
      },
    ],
    async onDone() {
      // It shows as taken back since it was asked for.
    },
    async onFailed() {
      // The load balancer goes on with the rollout; it reports how it ends.
    },
  };
}

async function withdraw(client: ServiceClient, name: string, generation: number, signal: AbortSignal): Promise<void> {
  const body = { generation };
  await unlessGone(client.call('load-balancer', 'POST', `/instances/${name}/rollout/withdraw`, { body, signal }));
}

/** Stopped in the meantime: there is nothing left to replace. */
async function unlessGone(call: Promise<unknown>): Promise<void> {
  await call.catch((error) => {
    if (!(error instanceof AvkError && error.code === 'AVK_NOT_FOUND')) throw error;
  });
}
