import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Api } from '../test/support/api.ts';
import { until } from './platform.ts';

/** Between two tries, for both sides. */
const POLL_MS = 4;
const DEADLINE_MS = 30_000;
/** So that what the last deployment left to do is not measured with the next one. */
export const SETTLE_MS = 250;

/** Milliseconds from the request to the known end point and to its first 200. */
export async function throughPlatform(
  url: string,
  api: Api,
  name: string,
): Promise<{ endpoint: number; firstOk: number }> {
  const authorization = `Bearer ${api.token}`;
  const body = JSON.stringify({ appName: 'tiny', instanceName: name });
  const begin = performance.now();
  const accepted = await ask(`${url}/api/deployedApps/deployApp/`, { method: 'POST', authorization, body });
  if (accepted?.status !== 202) throw new Error(`the deployment was answered with ${accepted?.status}`);
  const endpoint = await poll(async () => {
    const answer = await ask(`${url}/api/deployedApps/${name}`, { authorization });
    const instance = JSON.parse(answer?.body ?? '{}') as { state?: string; endpoint?: string | null; reason?: string };
    if (instance.state === 'failed') throw new Error(`${name} failed: ${instance.reason}`);
    return instance.endpoint ?? null;
  });
  const known = performance.now() - begin;
  await firstOk(endpoint);
  const took = performance.now() - begin;
  await stop(api, name);
  return { endpoint: known, firstOk: took };
}

export async function stop(api: Api, name: string): Promise<void> {
  await api.stop(name);
  await until(`${name} to stop`, 25, async () => ((await api.instance(name)).state === 'stopped' ? true : null));
  await sleep(SETTLE_MS);
}

export async function firstOk(url: string): Promise<void> {
  await poll(async () => ((await ask(url))?.status === 200 ? true : null));
}

async function poll<T>(fn: () => Promise<T | null>): Promise<T> {
  const end = performance.now() + DEADLINE_MS;
  for (;;) {
    const value = await fn();
    if (value !== null) return value;
    if (performance.now() > end) throw new Error(`waited ${DEADLINE_MS / 1000} s`);
    await sleep(POLL_MS);
  }
}

interface Question {
  method?: string;
  authorization?: string;
  body?: string;
}

/** One request over a connection of its own; null when there was no answer. */
function ask(url: string, question: Question = {}): Promise<{ status: number; body: string } | null> {
  const { method = 'GET', authorization, body } = question;
  return new Promise((resolve) => {
    const headers = {
      connection: 'close',
      ...(authorization ? { authorization } : {}),
      ...(body ? { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) } : {}),
    };
    const sent = request(url, { method, headers, agent: false, timeout: DEADLINE_MS }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      response.on('error', () => resolve(null));
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve(null));
    sent.end(body);
  });
}
