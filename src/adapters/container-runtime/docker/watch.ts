import { messageOf } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { ContainerInfo } from '../../../ports/container-runtime.ts';
import { exitOf, infoOf, infoOfSummary, readLabels } from './containers.ts';
import {
  type ContainerDetails,
  type ContainerSummary,
  containerSchema,
  containerSummarySchema,
  type DockerEvent,
  eventSchema,
} from './docker-answers.ts';
import type { DockerApi } from './docker-api.ts';
import { DockerError, hasStatus } from './docker-api.ts';
import { jsonLines } from './json-lines.ts';
import { REPLICA_LABEL } from './labels.ts';

/** A container that runs, for whoever measures it. */
export interface RunningContainer {
  /** The replica's id. */
  id: string;
  /** Its limits. */
  cpus: number;
  memoryMb: number;
}

interface Known extends RunningContainer {
  info: ContainerInfo;
}

/** How often all are looked at besides: an event may be lost, and a silent line looks like one without news. */
const LOOK_EVERY_MS = 15_000;
const LOOK_MS = 10_000;
/** An answer that waits for nothing else that Docker does. */
const PING_MS = 5_000;
const FIRST_RETRY_MS = 250;
/** Short, as all that happens meanwhile is heard of late, and a machine counts as lost before long. */
const LONGEST_RETRY_MS = 1_000;
/** Watched for so long, an interruption is a new one. */
const STEADY_MS = 5_000;
/** Ends that are remembered, so that each is told once. */
const REMEMBERED = 500;

export interface WatchDeps {
  api: DockerApi;
  clock: Clock;
  node: string;
  address: string;
  log: (message: string) => void;
  /** Told when a container of ours ended that nobody asked to end. */
  onExit: (info: ContainerInfo) => void;
  /** Told each time that Docker is watched from now on. */
  onWatching: () => void;
}

/**
 * What runs on the machine, known without asking: out of Docker's events, and by looking at all after each time that
 * these were interrupted. A container that was known to run and does not any more has ended, whether or not an event said so.
 */
export function createWatch({ api, clock, node, address, log, onExit, onWatching }: WatchDeps) {
  /** By container id. */
  const running = new Map<string, Known>();
  /** How a container's last end that was asked for or told can be known again, by container id. */
  const ends = new Map<string, string>();
  /** Containers that are being ended, by container id. */
  const asked = new Map<string, number>();
  const closing = new AbortController();
  let trouble: string | null = null;

  /** What Docker has to answer if it is to be of use. One that is only too busy for it still says that it is there. */
  async function needed<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      const busy = !(error instanceof DockerError) && (await isThere());
      if (!busy && !closing.signal.aborted) trouble = messageOf(error);
      throw error;
    }
  }

  function isThere(): Promise<boolean> {
    return api.act('GET', '/_ping', { timeoutMs: PING_MS, signal: closing.signal }).then(
      () => true,
      () => false,
    );
  }

  async function list(signal?: AbortSignal): Promise<ContainerSummary[]> {
    const query = { all: true, filters: JSON.stringify({ label: [REPLICA_LABEL] }) };
    const options = { query, timeoutMs: LOOK_MS, ...(signal ? { signal } : {}) };
    return api.call('GET', '/containers/json', containerSummarySchema.array(), options);
  }

  async function inspect(containerId: string): Promise<ContainerDetails | null> {
    try {
      return await api.call('GET', `/containers/${containerId}/json`, containerSchema);
    } catch (error) {
      if (hasStatus(error, 404)) return null;
      throw error;
    }
  }

  /** From now on its end is news. */
  function noteRunning(info: ContainerInfo | null, labels: Record<string, string>): void {
    const container = readLabels(labels);
    if (!info || !container) return;
    running.set(info.containerId, { id: info.id, cpus: container.cpus, memoryMb: container.memoryMb, info });
  }

  function noteEnd(containerId: string, end: string): void {
    running.delete(containerId);
    ends.delete(containerId);
    ends.set(containerId, end);
    for (const oldest of ends.keys()) {
      if (ends.size <= REMEMBERED) break;
      ends.delete(oldest);
    }
  }

  /** It seems to have ended; `code` says how, where an event did. */
  async function look(containerId: string, code: number | null): Promise<void> {
    if (asked.has(containerId)) return;
    const details = await inspect(containerId);
    if (asked.has(containerId)) return;
    const known = running.get(containerId);
    const info = details && infoOf(details, address);
    if (details && info?.state === 'running') return noteRunning(info, details.Config.Labels);
    running.delete(containerId);
    if (details && info) {
      if (details.State.Status === 'created' || ends.get(containerId) === details.State.FinishedAt) return;
      noteEnd(containerId, details.State.FinishedAt);
      if (details.State.OOMKilled) log(`${info.name} on ${node} was ended because it used more memory than it may.`);
      onExit(info);
    } else if (known && ends.get(containerId) !== GONE) {
      // Somebody else removed it.
      noteEnd(containerId, GONE);
      onExit({ ...known.info, state: 'exited', ...exitOf(code) });
    }
  }

  async function heard({ Action, Actor }: DockerEvent): Promise<void> {
    const { ID, Attributes } = Actor;
    if (Action === 'start') {
      const summary = { Id: ID, Names: [Attributes.name ?? ''], Labels: Attributes, State: 'running', Status: '' };
      noteRunning(infoOfSummary(summary, address), Attributes);
    } else if (Action === 'die') {
      await look(ID, Attributes.exitCode === undefined ? null : Number(Attributes.exitCode));
    }
  }

  async function lookAtAll(): Promise<void> {
    const before = [...running.keys()];
    const runs = new Set<string>();
    const summaries = await needed(list(closing.signal));
    // What becomes of a single container below says nothing of Docker.
    trouble = null;
    for (const summary of summaries) {
      const info = infoOfSummary(summary, address);
      if (info?.state !== 'running') continue;
      runs.add(summary.Id);
      noteRunning(info, summary.Labels);
    }
    for (const containerId of before) if (!runs.has(containerId)) await look(containerId, null);
  }

  async function follow(begun: () => void): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([closing.signal, over.signal]);
    const filters = { type: ['container'], event: ['start', 'die'], label: [REPLICA_LABEL] };
    const stream = await needed(api.stream('GET', '/events', { query: { filters: JSON.stringify(filters) }, signal }));
    try {
      await lookAtAll();
      begun();
      const looking = lookNowAndThen(signal).finally(() => over.abort());
      for await (const event of jsonLines(stream, eventSchema)) await heard(event);
      over.abort();
      await looking;
    } finally {
      over.abort();
      stream.destroy();
    }
  }

  /** Ends when one look fails: then the events cannot be relied on either. */
  async function lookNowAndThen(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        await clock.sleep(LOOK_EVERY_MS, signal);
        await lookAtAll();
      }
    } catch (error) {
      if (!signal.aborted) log(`the containers of ${node} could not be looked at: ${messageOf(error)}`);
    }
  }

  async function run(): Promise<void> {
    let wait = FIRST_RETRY_MS;
    while (!closing.signal.aborted) {
      let since: number | null = null;
      try {
        await follow(() => {
          since = clock.monotonic();
          onWatching();
        });
      } catch (error) {
        if (closing.signal.aborted) return;
        if (wait === FIRST_RETRY_MS) log(`Docker on ${node} cannot be watched: ${messageOf(error)}`);
      }
      if (since !== null && clock.monotonic() - since > STEADY_MS) wait = FIRST_RETRY_MS;
      try {
        await clock.sleep(wait, closing.signal);
      } catch {
        return;
      }
      wait = Math.min(wait * 2, LONGEST_RETRY_MS);
    }
  }

  const watching = run();

  return {
    running: running as ReadonlyMap<string, RunningContainer>,
    /** Why Docker cannot be used, as it was when last asked. */
    trouble: () => trouble,
    list: () => list(),
    inspect,
    noteRunning,
    /** Runs what ends a container; its end is then no news. */
    async ending<T>(containerId: string, fn: () => Promise<T>): Promise<T> {
      asked.set(containerId, (asked.get(containerId) ?? 0) + 1);
      try {
        const result = await fn();
        const details = await inspect(containerId);
        if (!details) noteEnd(containerId, GONE);
        else if (details.State.Status !== 'running') noteEnd(containerId, details.State.FinishedAt);
        return result;
      } finally {
        const left = (asked.get(containerId) ?? 1) - 1;
        if (left > 0) asked.set(containerId, left);
        else asked.delete(containerId);
      }
    },
    async close(): Promise<void> {
      closing.abort();
      await watching;
    },
  };
}

/** In place of the time at which it ended. */
const GONE = 'gone';
