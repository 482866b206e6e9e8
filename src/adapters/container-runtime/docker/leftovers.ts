import { z } from 'zod';
import { containerSummarySchema, imageSchema } from './docker-answers.ts';
import { type DockerApi, hasStatus } from './docker-api.ts';
import { BUILD_LABEL, IMAGE_LABEL, REPLICA_LABEL } from './labels.ts';

/*
 * What builds leave behind: images on the way of those that failed, containers of those that Docker itself did not
 * survive. Only what is ours is touched: by its label, or because a build of ours said that it made it.
 */

/** Must not be called while a build is under way, whose images these might be. */
export async function removeLeftovers(api: DockerApi, made: Iterable<string>): Promise<void> {
  await removeContainers(api);
  const filters = JSON.stringify({ dangling: ['true'], label: [BUILD_LABEL] });
  await api.act('POST', '/images/prune', { query: { filters } });
  // The last one first: the others are below it, and go with it.
  for (const id of [...made].reverse()) await removeNameless(api, id);
}

async function removeContainers(api: DockerApi): Promise<void> {
  const filters = JSON.stringify({ label: [BUILD_LABEL] });
  const found = await api.call('GET', '/containers/json', z.array(containerSummarySchema), {
    query: { all: true, filters },
  });
  for (const { Id, Labels } of found) {
    // Replicas have the labels of their image, and so has what an operator runs by hand.
    if (Labels[REPLICA_LABEL] !== undefined || Labels[IMAGE_LABEL] !== undefined) continue;
    await gone(() => api.act('DELETE', `/containers/${Id}`, { query: { force: true, v: true } }));
  }
}

/** Unless it has a name or others stand on it: then it is of use. */
async function removeNameless(api: DockerApi, id: string): Promise<void> {
  await gone(async () => {
    const { RepoTags } = await api.call('GET', `/images/${id}/json`, imageSchema);
    if (RepoTags.length === 0) await api.act('DELETE', `/images/${id}`);
  });
}

async function gone(fn: () => Promise<void>): Promise<void> {
  try {
    await fn();
  } catch (error) {
    if (!hasStatus(error, 404, 409)) throw error;
  }
}
