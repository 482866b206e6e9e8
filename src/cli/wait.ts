import { AvkError } from '../domain/errors.ts';
import { type Instance, instanceAnswer } from './answers.ts';
import type { Client } from './client.ts';
import { clock } from './clock.ts';

const EVERY_MS = 150;
/** A platform that restarts is back by then. */
const GONE_MS = 30_000;
/** Every step has a deadline of its own in the platform; this one is for a platform that does not keep them. */
const LONGEST_MS = 30 * 60_000;

export interface WaitOptions {
  signal: AbortSignal;
  /** Called with what is known, at each look. */
  look?: (instance: Instance) => Promise<void>;
}

/**
 * Waits until the instance is as wanted, and returns it. Goes on through a restart of the platform.
 *
 * @throws AvkError AVK_CANCELLED when the signal aborts, AVK_DEADLINE
 */
export async function waitUntil(
  client: Client,
  name: string,
  wanted: (instance: Instance) => boolean,
  { signal, look }: WaitOptions,
): Promise<Instance> {
  const end = clock.monotonic() + LONGEST_MS;
  let goneSince: number | null = null;
  while (clock.monotonic() < end) {
    if (signal.aborted) throw new AvkError('AVK_CANCELLED', `not waiting for ${name} any longer; it goes on`);
    try {
      const instance = await client.get(instancePath(name), instanceAnswer);
      await look?.(instance);
      if (wanted(instance)) return instance;
      goneSince = null;
    } catch (error) {
      if (!(error instanceof AvkError && error.retryable)) throw error;
      goneSince ??= clock.monotonic();
      if (clock.monotonic() - goneSince > GONE_MS) throw error;
    }
    await clock.sleep(EVERY_MS, signal).catch(() => undefined);
  }
  throw new AvkError(
    'AVK_DEADLINE',
    `${name} took longer than ${LONGEST_MS / 60_000} min; see: npx avishkar events ${name}`,
  );
}

export function instancePath(name: string): string {
  return `/api/deployedApps/${encodeURIComponent(name)}`;
}
