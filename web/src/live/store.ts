import { useSyncExternalStore } from 'react';
import type { InstanceNews, Machine, Usage } from '../api/types.ts';
import { isKnown } from '../lib/states.ts';
import type { LiveStatus } from './stream.ts';

/** [epoch in ms, one value per curve] */
export type Point = [number, ...(number | null)[]];

/** Ten minutes of one point a second. */
const KEPT_POINTS = 600;
const KEPT_NEWS = 100;

/** What came over the live stream since this page was opened: too fast and too much for the query cache. */
interface Live {
  status: LiveStatus;
  machines: ReadonlyMap<string, readonly Point[]>;
  /** By instance, then by replica. */
  usage: ReadonlyMap<string, ReadonlyMap<string, readonly Point[]>>;
  news: readonly InstanceNews[];
}

let live: Live = empty();
const listeners = new Set<() => void>();

function empty(): Live {
  return { status: 'connecting', machines: new Map(), usage: new Map(), news: [] };
}

function change(part: Partial<Live>): void {
  live = { ...live, ...part };
  for (const listener of listeners) listener();
}

export const setStatus = (status: LiveStatus): void => change({ status });
export const forgetAll = (): void => change(empty());

export function noteMachines(machines: readonly Machine[], now: number): void {
  const next = new Map<string, readonly Point[]>();
  for (const machine of machines) {
    const { name, cpuPercent, memoryPercent, diskPercent } = machine;
    const values = isKnown(machine) ? [cpuPercent, memoryPercent, diskPercent] : [null, null, null];
    next.set(name, grown(live.machines.get(name), [now, ...values]));
  }
  change({ machines: next });
}

export function noteUsage(instances: readonly Usage[], now: number): void {
  const next = new Map(live.usage);
  for (const { instanceName, replicas } of instances) {
    const before = next.get(instanceName);
    next.set(
      instanceName,
      new Map(
        replicas.map(({ name, cpuPercent, memoryPercent }) => [
          name,
          grown(before?.get(name), [now, cpuPercent, memoryPercent]),
        ]),
      ),
    );
  }
  change({ usage: next });
}

export function noteNews(news: InstanceNews): void {
  change({ news: [news, ...live.news].slice(0, KEPT_NEWS) });
}

function grown(points: readonly Point[] = [], point: Point): readonly Point[] {
  return [...points.slice(-(KEPT_POINTS - 1)), point];
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const NO_POINTS: readonly Point[] = [];
const NO_USAGE: ReadonlyMap<string, readonly Point[]> = new Map();

export const useLiveStatus = (): LiveStatus => useSyncExternalStore(subscribe, () => live.status);
export const useNews = (): readonly InstanceNews[] => useSyncExternalStore(subscribe, () => live.news);
export const useMachinePoints = (name: string): readonly Point[] =>
  useSyncExternalStore(subscribe, () => live.machines.get(name) ?? NO_POINTS);
export const useUsagePoints = (instance: string): ReadonlyMap<string, readonly Point[]> =>
  useSyncExternalStore(subscribe, () => live.usage.get(instance) ?? NO_USAGE);
