import { AvkError } from '../domain/errors.ts';
import type { InstanceSpec } from '../domain/instance.ts';
import { DEFAULT_START_SECONDS } from '../domain/manifest.ts';
import { replicaName } from '../domain/names.ts';
import type { ReplicaPlace } from '../domain/replica.ts';
import type { BlobStore } from '../ports/blob-store.ts';
import type { Clock } from '../ports/clock.ts';
import type { ContainerInfo, ContainerRuntime } from '../ports/container-runtime.ts';
import type { SecretBox } from './secret-box.ts';

export interface ReplicaDeps {
  runtime: ContainerRuntime;
  blobs: BlobStore;
  secrets: SecretBox;
  clock: Clock;
}

/** How often a starting app is asked whether it is up: soon at first, as most are up soon. */
const FIRST_POLL_MS = 10;
const LONGEST_POLL_MS = 250;
/** How long it is asked at the first pace. */
const SOON_MS = 300;
const LAST_LINES = 20;

/** Makes the instance's image present on the machine. */
export async function ensureImage(
  deps: ReplicaDeps,
  spec: InstanceSpec,
  options: { signal: AbortSignal; log: (line: string) => void },
): Promise<void> {
  await deps.runtime.ensureImage(
    {
      image: spec.image,
      manifest: spec.manifest,
      bundle: () => deps.blobs.get(spec.bundle.container, spec.bundle.key),
    },
    options,
  );
}

/** Starts the replica, or adopts it if it runs already. Does not wait for health. */
export async function startReplica(
  deps: ReplicaDeps,
  spec: InstanceSpec,
  place: ReplicaPlace,
  signal: AbortSignal,
): Promise<ContainerInfo> {
  const opened = Object.entries(spec.sealed).map(([name, sealed]) => [name, deps.secrets.open(sealed)]);
  const name = replicaName(spec.instance, place.number);
  return deps.runtime.start(
    {
      id: place.id,
      name,
      instance: spec.instance,
      generation: spec.generation,
      image: spec.image,
      manifest: spec.manifest,
      env: { ...spec.env, ...Object.fromEntries(opened), AVISHKAR_INSTANCE: spec.instance, AVISHKAR_REPLICA: name },
      hostPort: place.hostPort,
      resources: spec.manifest.resources,
    },
    { signal },
  );
}

/** How long a replica of this app may take to its first good answer, in milliseconds. */
export function startDeadlineMs(spec: InstanceSpec): number {
  return (spec.manifest.health?.startSeconds ?? DEFAULT_START_SECONDS) * 1000;
}

/**
 * Waits until the replica answers well.
 *
 * @throws AvkError AVK_START_FAILED when it ended, AVK_UNHEALTHY when its time is over; both with its last lines
 */
export async function waitHealthy(
  deps: Pick<ReplicaDeps, 'runtime' | 'clock'>,
  spec: InstanceSpec,
  info: ContainerInfo,
  signal: AbortSignal,
): Promise<void> {
  const { runtime, clock } = deps;
  const health = spec.manifest.health ?? null;
  const timeoutMs = (health?.timeoutSeconds ?? 2) * 1000;
  const limit = startDeadlineMs(spec);
  const begun = clock.monotonic();
  const until = begun + limit;
  for (let wait = FIRST_POLL_MS; ; ) {
    signal.throwIfAborted();
    // Health first: an app that answers is up, and asking costs less than looking at the process.
    const result = await runtime.checkHealth(info.address, health, timeoutMs);
    const now = await runtime.inspect(info.id);
    if (now?.state !== 'running') {
      const how = now ? describeExit(now) : 'is gone';
      const lastLogLines = await lastLines(runtime, info.id);
      throw new AvkError('AVK_START_FAILED', `the app ${how} before it answered`, { lastLogLines });
    }
    if (result.healthy) return;
    if (clock.monotonic() >= until) {
      const lastLogLines = await lastLines(runtime, info.id);
      throw new AvkError('AVK_UNHEALTHY', `the app did not become healthy within ${limit / 1000} s: ${result.reason}`, {
        lastLogLines,
      });
    }
    await clock.sleep(Math.min(wait, Math.max(1, until - clock.monotonic())), signal);
    if (clock.monotonic() - begun > SOON_MS) wait = Math.min(wait * 1.3, LONGEST_POLL_MS);
  }
}

/** `exited with code 3`, `was ended by SIGKILL`. */
export function describeExit(info: ContainerInfo): string {
  if (info.exitSignal) return `was ended by ${info.exitSignal}`;
  if (info.exitCode !== null) return `exited with code ${info.exitCode}`;
  return 'ended while nobody watched';
}

/** The replica's last lines, for a reason. Never fails: a reason without lines is better than none. */
export async function lastLines(runtime: ContainerRuntime, id: string): Promise<string[]> {
  const lines: string[] = [];
  try {
    const options = { tail: LAST_LINES, follow: false, signal: new AbortController().signal };
    for await (const line of runtime.logs(id, options)) lines.push(line.line);
  } catch (error) {
    lines.push(`(the log could not be read: ${error instanceof Error ? error.message : String(error)})`);
  }
  return lines.slice(-LAST_LINES);
}
