import type { QueryClient, QueryKey } from '@tanstack/react-query';
import type { Instance, InstanceNews, Machine, PlatformStatus, Replica, TimelineEvent, Usage } from '../api/types.ts';

/** Brings an instance's news into what is shown at once, and has the whole of it asked for again. */
export function applyNews(client: QueryClient, news: InstanceNews): void {
  const update = (instance: Instance): Instance =>
    instance.instanceName === news.instance && instance.state !== news.state
      ? { ...instance, state: news.state, ...(news.state === 'failed' ? { reason: news.text } : {}) }
      : instance;
  bringInto<Instance[]>(client, ['instances'], (list) => list.map(update));
  bringInto<Instance>(client, ['instance', news.instance], update);
  bringInto<TimelineEvent[]>(client, ['events', news.instance], (list) =>
    !list.some((event) => event.ts === news.at && event.text === news.text)
      ? [...list, { ts: news.at, kind: news.kind, text: news.text }]
      : list,
  );
  askAgain(client, ['instances']);
  askAgain(client, ['instance', news.instance]);
}

export function applyMachines(client: QueryClient, machines: Machine[]): void {
  client.setQueryData<Machine[]>(['machines'], machines);
}

export function applyPlatform(client: QueryClient, news: Partial<PlatformStatus>): void {
  const before = client.getQueryData<PlatformStatus>(['platform'])?.status;
  bringInto<PlatformStatus>(client, ['platform'], (status) => ({ ...status, ...news }));
  // What its services know comes and goes with them.
  if (news.status !== undefined && news.status !== before) client.invalidateQueries();
  else askAgain(client, ['platform']);
}

export function applyUsage(client: QueryClient, usage: readonly Usage[]): void {
  const byName = new Map(usage.map((entry) => [entry.instanceName, entry]));
  const update = (instance: Instance): Instance => {
    const entry = byName.get(instance.instanceName);
    return entry ? { ...instance, replicas: merged(client, instance, entry) } : instance;
  };
  bringInto<Instance[]>(client, ['instances'], (list) => list.map(update));
  for (const name of byName.keys()) bringInto<Instance>(client, ['instance', name], update);
}

/**
 * Changes a part of what was read. The rest is as old as before: what counts as out of date, or was to be asked for
 * again, still is.
 */
function bringInto<T>(client: QueryClient, queryKey: QueryKey, update: (data: T) => T): void {
  const query = client.getQueryCache().find<T>({ queryKey });
  if (query?.state.data === undefined) return;
  const { data, dataUpdatedAt, isInvalidated } = query.state;
  client.setQueryData<T>(queryKey, update(data), { updatedAt: dataUpdatedAt });
  if (isInvalidated) query.invalidate();
}

/** The stream says how a replica does, not what it is: one that is not known yet is asked for. */
function merged(client: QueryClient, instance: Instance, usage: Usage): Replica[] {
  const known = new Map(instance.replicas.map((replica) => [replica.id, replica]));
  if (usage.replicas.length !== known.size || usage.replicas.some(({ id }) => !known.has(id))) {
    askAgain(client, ['instance', instance.instanceName]);
    askAgain(client, ['instances']);
  }
  return instance.replicas.map((replica) => {
    const now = usage.replicas.find(({ id }) => id === replica.id);
    return now
      ? { ...replica, state: now.state, cpuPercent: now.cpuPercent, memoryPercent: now.memoryPercent }
      : replica;
  });
}

const waiting = new Set<string>();
const GATHER_MS = 300;

/** News come in bursts: what is to be asked for again is asked for once. */
export function askAgain(client: QueryClient, key: readonly string[]): void {
  const id = key.join('\n');
  if (waiting.has(id)) return;
  waiting.add(id);
  setTimeout(() => {
    waiting.delete(id);
    client.invalidateQueries({ queryKey: key, exact: true });
  }, GATHER_MS);
}
