import type { Readable } from 'node:stream';
import type { ImageSpec } from '../../ports/container-runtime.ts';

/** The store may take its time to open the bundle, and knows nothing of our signal. */
export async function receiveBundle(spec: ImageSpec, signal: AbortSignal): Promise<Readable> {
  const opening = spec.bundle();
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => undefined);
  try {
    return await Promise.race([opening, aborted]);
  } catch (error) {
    opening.then((stream) => stream.destroy()).catch(() => undefined);
    throw error;
  }
}
