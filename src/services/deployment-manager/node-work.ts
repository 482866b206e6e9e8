import { Turns } from '../../kernel/turns.ts';

/** Work on machines, limited per machine so that a hundred deployments at once do not choke it. */
export interface NodeWork {
  building<T>(node: string, signal: AbortSignal, fn: () => Promise<T>): Promise<T>;
  starting<T>(node: string, signal: AbortSignal, fn: () => Promise<T>): Promise<T>;
}

const BUILDS_AT_ONCE = 2;
const STARTS_AT_ONCE = 8;

export function createNodeWork(): NodeWork {
  const builds = new Map<string, Turns>();
  const starts = new Map<string, Turns>();
  return {
    building: (node, signal, fn) => turnsOf(builds, node, BUILDS_AT_ONCE).take(signal, fn),
    starting: (node, signal, fn) => turnsOf(starts, node, STARTS_AT_ONCE).take(signal, fn),
  };
}

function turnsOf(map: Map<string, Turns>, node: string, limit: number): Turns {
  let turns = map.get(node);
  if (!turns) {
    turns = new Turns(limit);
    map.set(node, turns);
  }
  return turns;
}
