import { ENDED, type InstanceSpec } from '../../domain/instance.ts';
import type { SagaDefinition } from '../../kernel/saga-definition.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { BlobStore } from '../../ports/blob-store.ts';
import type { Database } from '../../ports/database.ts';
import type { Log } from '../../ports/log.ts';
import { type ApplicationManagerTables, BASE_APPS, imageName } from './store.ts';

export interface ClearContext {
  /** The zips of versions that are no longer in the catalogue. */
  blobs: string[];
}

const DEADLINE_MS = 10 * 60_000;

/**
 * Clears away what removed versions leave: their zips, their images on the machines, what their builds printed. The
 * machines are told what stays, not what goes: a machine that did not answer is tidied up with the next removal.
 */
export function clearSaga(deps: {
  database: Database<ApplicationManagerTables>;
  blobs: BlobStore;
  client: ServiceClient;
  log: Log;
}): SagaDefinition<ClearContext, ApplicationManagerTables> {
  return {
    kind: 'clear',
    steps: [
      {
        name: 'storage',
        deadlineMs: () => DEADLINE_MS,
        async run(context, { signal }) {
          for (const key of context.blobs) await deps.blobs.delete(BASE_APPS, key);
          // Read now, not when the saga began: the version may have been uploaded again meanwhile.
          const body = { keep: await neededImages(deps.database) };
          await deps.client.call('load-balancer', 'POST', '/images/prune', { body, signal, deadlineMs: DEADLINE_MS });
          await deps.client.call('deployment-manager', 'POST', '/builds/prune', { body, signal });
          return {};
        },
      },
    ],
    async onDone() {
      // Nobody waits for it.
    },
    async onFailed(_unit, _context, saga, failure) {
      deps.log.warn({ app: saga.subject, reason: failure.reason }, 'images of removed versions may be left');
    },
  };
}

/** The images of all versions, and of all instances that live. */
async function neededImages(database: Database<ApplicationManagerTables>): Promise<string[]> {
  const versions = await database.read.selectFrom('base_apps').select(['name_key', 'version', 'sha256']).execute();
  const live = await database.read.selectFrom('instances').select('spec').where('state', 'not in', ENDED).execute();
  const used = live.map(({ spec }) => (JSON.parse(spec) as InstanceSpec).image);
  return [...new Set([...versions.map(imageName), ...used])];
}
