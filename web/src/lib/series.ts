import type { Point } from '../live/store.ts';

/** What was stored, and after it what came live. */
export function mergePoints(past: readonly Point[], live: readonly Point[]): Point[] {
  const last = past.at(-1)?.[0] ?? 0;
  return [...past, ...live.filter(([at]) => at > last)];
}

/** A curve in a sentence, for those who cannot see it. */
export function curveText(points: readonly Point[], value: number): string {
  const values = points.map((point) => point[value + 1]).filter((entry): entry is number => typeof entry === 'number');
  const last = values.at(-1);
  if (last === undefined) return 'no values yet';
  const mean = values.reduce((sum, entry) => sum + entry, 0) / values.length;
  return `now ${Math.round(last)} %, ${Math.round(mean)} % on average, ${Math.round(Math.max(...values))} % at most`;
}

/** The lines of several replicas by their time; they come replica by replica. What is of one moment stays as it came. */
export function inOrder<T extends { ts: string }>(lines: readonly T[]): T[] {
  return lines.toSorted((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0));
}
