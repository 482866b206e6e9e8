import { reasonAt } from '../../domain/failure-reason.ts';
import type { InstanceSpec } from '../../domain/instance.ts';
import type { ConfigValue } from '../../domain/manifest.ts';
import type { Unit } from '../../kernel/messenger.ts';
import type { SagaDefinition } from '../../kernel/saga-definition.ts';
import type { BlobStore } from '../../ports/blob-store.ts';
import { type ApplicationManagerTables, BASE_APPS } from './store.ts';

export const DEPLOYED_APPS = 'deployedApps';

export interface LaunchContext {
  spec: InstanceSpec;
  /** The uploaded zip in `baseApps`. */
  source: string;
  /** As kept beside the bundle: what the user gave and the defaults, each of its type; the secret ones apart, and sealed. */
  settings: { values: Record<string, ConfigValue>; sealed: Record<string, string> };
  /** 1 when the deployment manager was asked first and asked back: the same request is a second try then. */
  attempt: 0 | 1;
}

const POPULATE_DEADLINE_MS = 60_000;

/** Pulls an instance of the base app, puts its settings with it, and asks the deployment manager to deploy it. */
export function launchSaga(deps: {
  blobs: BlobStore;
  onFailed: (unit: Unit<ApplicationManagerTables>, requestId: string, name: string, reason: string) => Promise<void>;
}): SagaDefinition<LaunchContext, ApplicationManagerTables> {
  return {
    kind: 'launch',
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
    ],
    async onDone(unit, context, saga) {
      unit.send('DeploymentManager', 'deploy app', { name: saga.subject }, saga.requestId, {
        spec: context.spec,
        attempt: context.attempt,
      });
    },
    async onFailed(unit, _context, saga, failure) {
      await deps.onFailed(unit, saga.requestId, saga.subject, reasonAt('preparing', '', failure.reason));
    },
  };
}

/** Copies the uploaded zip and writes the settings beside it. Harmless when repeated. */
export async function populateBundle(
  blobs: BlobStore,
  { spec, source, settings }: Pick<LaunchContext, 'spec' | 'source' | 'settings'>,
): Promise<void> {
  await Promise.all([
    blobs.copy({ container: BASE_APPS, key: source }, spec.bundle),
    blobs.put(spec.bundle.container, settingsKey(spec.bundle.key), Buffer.from(JSON.stringify(settings, null, 2))),
  ]);
}

/** Removes what `populate` made. Harmless when repeated. */
export async function removeBundle(blobs: BlobStore, spec: InstanceSpec): Promise<void> {
  await blobs.delete(spec.bundle.container, spec.bundle.key);
  await blobs.delete(spec.bundle.container, settingsKey(spec.bundle.key));
}

/** Removes bundles that no live instance has: what a crash left between an instance's end and the removal. */
export async function sweepBundles(blobs: BlobStore, live: readonly InstanceSpec[]): Promise<void> {
  const kept = new Set(live.flatMap(({ bundle }) => [bundle.key, settingsKey(bundle.key)]));
  for (const { key } of await blobs.list(DEPLOYED_APPS)) {
    if (!kept.has(key)) await blobs.delete(DEPLOYED_APPS, key);
  }
}

function settingsKey(bundleKey: string): string {
  return bundleKey.replace(/\.zip$/, '.settings.json');
}
