import { Readable } from 'node:stream';
import { AvkError } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import { saysDiskFull } from './disk.ts';
import { progressSchema } from './docker-answers.ts';
import type { DockerApi } from './docker-api.ts';
import { jsonLines } from './json-lines.ts';

/** A machine that sends nothing for so long is not waited for. */
const STALL_MS = 60_000;

/**
 * Brings an image from another machine through this one, which holds only what is on its way.
 *
 * @param from the image as Docker saves it
 * @throws AvkError AVK_DISK_FULL, AVK_HOST_UNREACHABLE; whatever `from` fails with
 */
export async function loadImage(
  deps: { api: DockerApi; clock: Clock; node: string },
  from: Readable,
  signal: AbortSignal,
): Promise<void> {
  const { api, clock, node } = deps;
  const stalled = new AbortController();
  const body = Readable.from(
    beating(from, clock, () => stalled.abort(new Error(`nothing came for ${STALL_MS / 1000} s`))),
    {
      objectMode: false,
    },
  );
  const either = AbortSignal.any([signal, stalled.signal]);
  try {
    const answer = await api.stream('POST', '/images/load', {
      query: { quiet: true },
      body,
      signal: either,
      timeoutMs: null,
    });
    for await (const { error } of jsonLines(answer, progressSchema)) if (error !== undefined) throw new Error(error);
  } catch (error) {
    signal.throwIfAborted();
    if (saysDiskFull(error)) {
      throw new AvkError('AVK_DISK_FULL', `The disk of ${node} became full while an image was brought there.`, {
        cause: error,
      });
    }
    throw error;
  } finally {
    from.destroy();
  }
}

async function* beating(from: Readable, clock: Clock, onStall: () => void): AsyncGenerator<Buffer> {
  let timer = clock.after(STALL_MS, onStall, { background: true });
  try {
    for await (const piece of from) {
      timer.cancel();
      timer = clock.after(STALL_MS, onStall, { background: true });
      yield piece as Buffer;
    }
  } finally {
    timer.cancel();
  }
}
