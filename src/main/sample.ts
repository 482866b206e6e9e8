import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { systemClock } from '../adapters/clock/system.ts';
import { AvkError } from '../domain/errors.ts';
import { INSTANCE_STATES } from '../domain/instance.ts';
import { withDeadline } from '../kernel/deadline.ts';
import type { Platform } from './start.ts';
import { zipFolder } from './zip-folder.ts';

const FOLDER = fileURLToPath(new URL('../../examples/room-comfort', import.meta.url));
const APP = 'room-comfort';
const INSTANCE = `${APP}-1`;
const DEADLINE_MS = 120_000;
const POLL_MS = 50;

const problem = z.object({ detail: z.string() });
const instance = z.object({
  state: z.enum(INSTANCE_STATES),
  endpoint: z.string().nullable(),
  reason: z.string().optional(),
  lastLogLines: z.array(z.string()).optional(),
});

/**
 * Uploads and deploys the sample app through the platform's own HTTP API, as a user would, and waits until it answers.
 *
 * @throws AvkError with the reason, and the app's last lines where they explain it; the signal's reason when it aborts
 */
export function deploySample(platform: Platform, signal: AbortSignal): Promise<{ name: string; endpoint: string }> {
  return withDeadline(systemClock, DEADLINE_MS, 'deploying the sample app', (late) => deploy(platform, late), signal);
}

async function deploy(platform: Platform, signal: AbortSignal): Promise<{ name: string; endpoint: string }> {
  const authorization = `Bearer ${await platform.token()}`;

  async function call(path: string, init: RequestInit = {}): Promise<unknown> {
    const headers = { ...(init.headers as Record<string, string> | undefined), authorization };
    const answer = await fetch(`${platform.url}${path}`, { ...init, headers, signal });
    const body: unknown = await answer.json();
    if (answer.ok) return body;
    const { data } = problem.safeParse(body);
    throw new AvkError('AVK_INTERNAL', data?.detail ?? `${path} answered ${answer.status}`);
  }

  const zip = await zipFolder(FOLDER);
  const form = new FormData();
  form.set('file', new Blob([new Uint8Array(await buffer(zip.open()))], { type: 'application/zip' }), `${APP}.zip`);
  await call('/api/baseApp/upload/', { method: 'POST', body: form });
  await call('/api/deployedApps/deployApp/', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ appName: APP, instanceName: INSTANCE }),
  });
  for (;;) {
    const { state, endpoint, reason, lastLogLines } = instance.parse(await call(`/api/deployedApps/${INSTANCE}`));
    if (state === 'running' && endpoint !== null && (await answers(endpoint, signal)))
      return { name: INSTANCE, endpoint };
    if (state === 'failed' || state === 'stopped' || state === 'cancelled') {
      throw new AvkError('AVK_START_FAILED', reason ?? `it is ${state}`, { lastLogLines: lastLogLines ?? [] });
    }
    await systemClock.sleep(POLL_MS, signal);
  }
}

async function answers(endpoint: string, signal: AbortSignal): Promise<boolean> {
  const answer = await fetch(endpoint, { signal });
  await answer.body?.cancel();
  return answer.status === 200;
}
