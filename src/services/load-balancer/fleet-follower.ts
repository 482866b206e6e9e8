import { messageOf } from '../../domain/errors.ts';
import type { NodeSnapshot } from '../../domain/node.ts';
import type { ServiceClient } from '../../kernel/service-client.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';

/** A machine as the node manager tells of it. */
export interface NodeView extends NodeSnapshot {
  /** Why it is not as it should be. */
  reason?: string | null;
}

/** What the node manager streams; its `FleetView`. */
export interface FleetView {
  at: number;
  nodes: NodeView[];
  replicas: { id: string; node: string; cpuPercent: number; memoryPercent: number; memoryBytes: number }[];
}

/** The last view of the machines. A node manager that is silent for a while leaves the view as it was. */
export interface FleetFollower {
  nodes(): readonly NodeView[];
  usage(replicaId: string): { cpuPercent: number; memoryPercent: number } | null;
  /** Calls `listener` with each view as it comes. Returns the way to stop. */
  onView(listener: (view: FleetView) => void): () => void;
  start(): void;
  stop(): Promise<void>;
}

const RECONNECT_MS = 500;

export function createFleetFollower(client: ServiceClient, clock: Clock, log: Log): FleetFollower {
  const stopping = new AbortController();
  let nodes: NodeView[] = [];
  let usage = new Map<string, { cpuPercent: number; memoryPercent: number }>();
  const listeners = new Set<(view: FleetView) => void>();
  let loop: Promise<void> = Promise.resolve();

  async function follow(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        for await (const value of client.values('node-manager', '/nodes/stream', { signal: stopping.signal })) {
          const view = value as FleetView;
          nodes = view.nodes;
          usage = new Map(view.replicas.map((replica) => [replica.id, replica]));
          for (const listener of listeners) listener(view);
        }
      } catch (error) {
        log.debug({ reason: messageOf(error) }, 'the node manager does not answer; its last view stays');
      }
      await clock.sleep(RECONNECT_MS, stopping.signal).catch(() => undefined);
    }
  }

  return {
    nodes: () => nodes,
    usage: (id) => usage.get(id) ?? null,
    onView(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    start() {
      loop = follow();
    },
    async stop() {
      stopping.abort();
      await loop;
    },
  };
}
