import type { Resources } from './manifest.ts';
import { DISK_LIMIT_PERCENT, type NodeSnapshot } from './node.ts';

/** Where to put a replica, and why there. */
export type Placement =
  | { node: string; score: number; reason: string }
  /** Nowhere; `reason` says what is wrong with each machine. */
  | { node: null; reason: string };

/** How much each free share counts. CPU and memory decide, the disk breaks ties. */
const WEIGHTS = { cpu: 0.45, memory: 0.45, disk: 0.1 };
const MIB = 1024 * 1024;
/** More machines than this are counted, not named, in a reason. */
const NAMED_IN_REASON = 5;

/**
 * How well a machine is, 0 (worst) to 100: the weighted free shares of CPU, memory and disk, what was promised to
 * replicas that are still starting taken off. The starting document's "healthiest node" by its three figures.
 */
export function scoreNode(node: NodeSnapshot): number {
  const cpu = free(node.cpuPercent + (node.promised.cpus / Math.max(node.cores, 1)) * 100);
  const memory = free(node.memoryPercent + ((node.promised.memoryMb * MIB) / Math.max(node.memoryBytes, 1)) * 100);
  const disk = free(node.diskPercent);
  return WEIGHTS.cpu * cpu + WEIGHTS.memory * memory + WEIGHTS.disk * disk;
}

/** What keeps a replica off this machine, or null. */
export function infeasible(node: NodeSnapshot, resources: Resources): string | null {
  if (node.state !== 'ready') return `is ${node.state}`;
  if (node.diskPercent > DISK_LIMIT_PERCENT) return `has a disk that is ${Math.round(node.diskPercent)} % full`;
  const freeMb = (node.memoryBytes * free(node.memoryPercent)) / 100 / MIB - node.promised.memoryMb;
  if (freeMb < resources.memoryMb) {
    return `has ${Math.max(0, Math.floor(freeMb))} MB of memory free and the app needs ${resources.memoryMb}`;
  }
  return null;
}

/**
 * The healthiest machine that can take the replica; one to avoid only where no other can. Equal scores: fewer replicas,
 * then the name.
 */
export function place(nodes: readonly NodeSnapshot[], resources: Resources, avoid: readonly string[] = []): Placement {
  const able = nodes.filter((node) => infeasible(node, resources) === null);
  const others = able.filter(({ name }) => !avoid.includes(name));
  const candidates = others.length > 0 ? others : able;
  let best: { node: NodeSnapshot; score: number } | null = null;
  for (const node of candidates) {
    const score = scoreNode(node);
    if (!best || isBetter(node, score, best)) best = { node, score };
  }
  if (!best) return { node: null, reason: whyNone(nodes, resources) };
  const { node, score } = best;
  const figures = [
    `CPU ${Math.round(node.cpuPercent)} %`,
    `memory ${Math.round(node.memoryPercent)} %`,
    `disk ${Math.round(node.diskPercent)} %`,
  ].join(', ');
  const passedOver = able.filter((other) => !candidates.includes(other)).map(({ name }) => name);
  const among = [
    candidates.length === 1 ? 'the only machine that can take it' : `the healthiest of ${candidates.length} machines`,
    ...(passedOver.length > 0 ? [`besides ${passedOver.join(', ')}, where it failed`] : []),
  ].join(' ');
  return { node: node.name, score, reason: `${node.name} is ${among}: ${figures}, score ${score.toFixed(1)}` };
}

function isBetter(node: NodeSnapshot, score: number, best: { node: NodeSnapshot; score: number }): boolean {
  if (score !== best.score) return score > best.score;
  if (node.replicas !== best.node.replicas) return node.replicas < best.node.replicas;
  return node.name < best.node.name;
}

function whyNone(nodes: readonly NodeSnapshot[], resources: Resources): string {
  if (nodes.length === 0) return 'no machine is known yet';
  const reasons = nodes.slice(0, NAMED_IN_REASON).map((node) => `${node.name} ${infeasible(node, resources)}`);
  const more = nodes.length > NAMED_IN_REASON ? ` and ${nodes.length - NAMED_IN_REASON} more` : '';
  return `no machine can take it: ${reasons.join('; ')}${more}`;
}

function free(usedPercent: number): number {
  return Math.min(100, Math.max(0, 100 - usedPercent));
}
