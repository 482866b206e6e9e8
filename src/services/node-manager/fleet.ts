import { messageOf } from '../../domain/errors.ts';
import type { Resources } from '../../domain/manifest.ts';
import { type NodeSnapshot, newcomerState, nodeState } from '../../domain/node.ts';
import type { Clock } from '../../ports/clock.ts';
import type { HostSample } from '../../ports/host.ts';
import type { Log } from '../../ports/log.ts';
import type { Machine, Machines } from '../../ports/machines.ts';

/** What the load balancer follows: every machine, and every replica seen on it. */
export interface FleetView {
  at: number;
  nodes: (NodeSnapshot & { lastSeen: number | null; reason: string | null })[];
  replicas: { id: string; node: string; cpuPercent: number; memoryPercent: number; memoryBytes: number }[];
}

export interface Fleet {
  view(): FleetView;
  /** Takes part of a machine's room off its score until the samples show the replica. */
  promise(node: string, resources: Resources): void;
  /** What an operator wants of a machine. */
  wish(node: string, wanted: Wish): void;
  /** Why replicas do not leave a machine that is to be empty, or that they do; forgotten unless it is said again. */
  staying(node: string, reason: string | null): void;
  /** Ports held by containers on the machine, as last listed. */
  heldPorts(node: string): ReadonlySet<number>;
  /** Resolves once every machine has answered or had its time to; before that nothing is known of them. */
  settled(): Promise<void>;
  /** Calls `listener` after every sample. Returns the way to stop. */
  onSample(listener: () => void): () => void;
  start(): void;
  stop(): Promise<void>;
}

export type Wish = 'in use' | 'empty';

interface Known {
  machine: Machine;
  /** When it was taken in, by our own clock. */
  since: number;
  /** Aborted when the machine is let go of. */
  leaving: AbortController;
  sample: HostSample | null;
  /** When it last answered and its containers could be managed, by our own clock. */
  seenAt: number | null;
  reason: string | null;
  ports: Set<number>;
  wanted: Wish;
  staying: { reason: string; until: number } | null;
  promises: { cpus: number; memoryMb: number; until: number }[];
}

export const PROBE_EVERY_MS = 500;
/** How long a promise counts; by then the replica shows in the samples. */
const PROMISE_MS = 10_000;
/** How long a reason why replicas stay counts; it is said again as long as it is so. */
const STAYING_MS = 10_000;
const SETTLE_MS = 5000;
const SETTLE_POLL_MS = 20;
const LONGEST_RECONNECT_MS = 5000;
const LIST_EVERY_MS = 5000;

function unseen(machine: Machine, since: number): Known {
  return {
    machine,
    since,
    leaving: new AbortController(),
    sample: null,
    seenAt: null,
    reason: null,
    ports: new Set(),
    wanted: 'in use',
    staying: null,
    promises: [],
  };
}

/** Follows one probe per machine, each read on the machine that it is about; machines may come and go meanwhile. */
export function createFleet(options: { machines: Machines; clock: Clock; log: Log }): Fleet {
  const { clock, log } = options;
  const known = new Map(
    options.machines.list().map((machine) => [machine.host.name, unseen(machine, clock.monotonic())]),
  );
  const listeners = new Set<() => void>();
  const loops = new Set<Promise<void>>();
  let started = false;
  let stopped = false;
  const unlisten = options.machines.onChange((change) => {
    const name = 'added' in change ? change.added.host.name : change.removed;
    known.get(name)?.leaving.abort();
    known.delete(name);
    if ('added' in change) {
      const node = unseen(change.added, clock.monotonic());
      known.set(name, node);
      if (started) begin(node);
    }
    for (const listener of listeners) listener();
  });

  function begin(node: Known): void {
    for (const loop of [follow(node), list(node)]) {
      loops.add(loop);
      loop.finally(() => loops.delete(loop));
    }
  }

  async function follow(node: Known): Promise<void> {
    const { signal } = node.leaving;
    let wait = PROBE_EVERY_MS;
    while (!signal.aborted) {
      try {
        for await (const sample of node.machine.host.probe({ everyMs: PROBE_EVERY_MS, signal })) {
          node.sample = sample;
          heard(node);
          wait = PROBE_EVERY_MS;
          for (const listener of listeners) listener();
        }
      } catch (error) {
        node.reason = messageOf(error);
      }
      if (signal.aborted) return;
      log.warn({ node: node.machine.host.name, reason: node.reason }, 'the probe ended; it is begun again');
      await clock.sleep(wait, signal).catch(() => undefined);
      wait = Math.min(wait * 2, LONGEST_RECONNECT_MS);
    }
  }

  /** A machine whose containers cannot be managed is of no more use than one that does not answer. */
  function heard(node: Known): void {
    const trouble = node.machine.runtime.trouble();
    if (trouble === null) node.seenAt = clock.monotonic();
    else if (node.reason === null) {
      log.warn(
        { node: node.machine.host.name, reason: trouble },
        'a machine answers, but its containers cannot be managed',
      );
    }
    node.reason = trouble;
  }

  async function list(node: Known): Promise<void> {
    const { signal } = node.leaving;
    while (!signal.aborted) {
      try {
        const containers = await node.machine.runtime.list();
        node.ports = new Set(containers.map((container) => container.hostPort));
      } catch (error) {
        log.warn({ node: node.machine.host.name, reason: messageOf(error) }, 'containers could not be listed');
      }
      await clock.sleep(LIST_EVERY_MS, signal).catch(() => undefined);
    }
  }

  function snapshot(node: Known): FleetView['nodes'][number] {
    const now = clock.monotonic();
    node.promises = node.promises.filter((promise) => promise.until > now);
    const { sample, machine } = node;
    const age = node.seenAt === null ? null : now - node.seenAt;
    const replicas = sample?.replicas.length ?? 0;
    const emptying = replicas > 0 ? 'draining' : 'drained';
    const { staying } = node;
    const stays = node.wanted === 'empty' && replicas > 0 && staying !== null && staying.until > now;
    return {
      name: machine.host.name,
      address: machine.host.address,
      state:
        age === null ? newcomerState(now - node.since) : nodeState(age, node.wanted === 'empty' ? emptying : 'ready'),
      cpuPercent: sample?.cpuPercent ?? 0,
      memoryPercent: sample?.memoryPercent ?? 0,
      diskPercent: sample?.diskPercent ?? 0,
      cores: sample?.cores ?? 1,
      memoryBytes: sample?.memoryBytes ?? 0,
      replicas,
      promised: {
        cpus: node.promises.reduce((sum, promise) => sum + promise.cpus, 0),
        memoryMb: node.promises.reduce((sum, promise) => sum + promise.memoryMb, 0),
      },
      lastSeen: age === null ? null : clock.now() - age,
      reason: node.reason ?? (stays ? staying.reason : null),
    };
  }

  return {
    view() {
      const nodes = [...known.values()];
      return {
        at: clock.now(),
        nodes: nodes.map(snapshot),
        replicas: nodes.flatMap((node) =>
          (node.sample?.replicas ?? []).map((replica) => ({ ...replica, node: node.machine.host.name })),
        ),
      };
    },
    promise(name, resources) {
      known.get(name)?.promises.push({
        cpus: resources.cpus,
        memoryMb: resources.memoryMb,
        until: clock.monotonic() + PROMISE_MS,
      });
    },
    wish(name, wanted) {
      const node = known.get(name);
      if (!node) return;
      node.wanted = wanted;
      node.staying = null;
      // Whoever follows the machines hears of it at once.
      for (const listener of listeners) listener();
    },
    staying(name, reason) {
      const node = known.get(name);
      if (node) node.staying = reason === null ? null : { reason, until: clock.monotonic() + STAYING_MS };
    },
    heldPorts: (name) => known.get(name)?.ports ?? new Set(),
    async settled() {
      const until = clock.monotonic() + SETTLE_MS;
      while (!stopped && clock.monotonic() < until) {
        if ([...known.values()].every((node) => node.seenAt !== null)) return;
        await clock.sleep(SETTLE_POLL_MS);
      }
    },
    onSample(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    start() {
      started = true;
      for (const node of known.values()) begin(node);
    },
    async stop() {
      stopped = true;
      unlisten();
      for (const node of known.values()) node.leaving.abort();
      await Promise.all(loops);
    },
  };
}
