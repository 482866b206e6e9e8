/** Node states, as users see them. */
export const NODE_STATES = ['ready', 'suspect', 'lost', 'draining', 'drained'] as const;
export type NodeState = (typeof NODE_STATES)[number];

/** What a machine is to the platform: this one in disguise, one of its own, or the one of those that NGINX runs on. */
export const NODE_ROLES = ['pretended', 'worker', 'balancer'] as const;
export type NodeRole = (typeof NODE_ROLES)[number];

/** What is known of a machine at one moment. Percentages are 0-100. */
export interface NodeSnapshot {
  name: string;
  address: string;
  state: NodeState;
  cpuPercent: number;
  memoryPercent: number;
  diskPercent: number;
  cores: number;
  memoryBytes: number;
  replicas: number;
  /** Put there in the last moments and not yet seen in the samples. */
  promised: { cpus: number; memoryMb: number };
}

/** A sample older than this makes a machine suspect: three of the probe's periods were missed. */
export const SUSPECT_AFTER_MS = 1500;
/** Older than this it counts as lost, and its replicas are put elsewhere. */
export const LOST_AFTER_MS = 4000;
/** A machine whose disk is fuller than this gets nothing new. */
export const DISK_LIMIT_PERCENT = 95;

/** One that was not heard of since the platform started counts as lost after this: its first answer takes longer. */
export const NEVER_SEEN_MS = 10_000;
/** The state of a machine by the age of its last sample; `wanted` is what the operator asked of it. */
export function nodeState(sampleAgeMs: number, wanted: 'ready' | 'draining' | 'drained'): NodeState {
  if (sampleAgeMs > LOST_AFTER_MS) return 'lost';
  if (wanted !== 'ready') return wanted;
  return sampleAgeMs > SUSPECT_AFTER_MS ? 'suspect' : 'ready';
}

/** The state of a machine of which there is no sample yet, by how long it has been known. */
export function newcomerState(knownMs: number): NodeState {
  return knownMs > NEVER_SEEN_MS ? 'lost' : 'suspect';
}

/** How the platform gets onto a machine, in the words of vm-details.json. Says where a key is, never what it is. */
export interface VmLogin {
  username: string;
  /** Empty where none is needed. */
  keyPath: string;
  /** The folder on the machine that holds the platform's files. */
  servicePath: string;
}
