import assert from 'node:assert/strict';
import { eventually } from './eventually.ts';
import { PASSWORD } from './platform.ts';
import { zipOf } from './zip.ts';

export interface Instance {
  instanceName: string;
  version: string;
  state: string;
  endpoint: string | null;
  generation: number;
  node: string | null;
  reason?: string;
  lastLogLines?: string[];
  rollout?: { version: string; state: string; reason?: string; lastLogLines?: string[] };
  scale: { min: number; max: number };
  config: Record<string, unknown>;
  replicas: {
    name: string;
    id: string;
    generation: number;
    node: string;
    hostPort: number;
    state: string;
    restarts: number;
    placement: string;
    reason?: string;
  }[];
}

export interface Api {
  token: string;
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** The JSON of a good answer; fails on any other. */
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body: unknown): Promise<T>;
  upload(files: Record<string, string>): Promise<Response>;
  /** Uploads, and fails unless it was accepted. */
  provide(files: Record<string, string>): Promise<void>;
  deploy(appName: string, more?: Record<string, unknown>): Promise<string>;
  stop(instanceName: string): Promise<void>;
  instance(name: string): Promise<Instance>;
  instances(): Promise<Instance[]>;
  /** Waits until the instance has one of the states; fails early, with the reason, when it failed instead. */
  reaches(name: string, states: string | readonly string[], deadlineMs?: number): Promise<Instance>;
}

const DEADLINE_MS = 60_000;
/** Longest wait for one answer: a platform that hangs is to fail the test, not to hold it up. */
const REQUEST_MS = 30_000;

export async function signIn(url: string, username = 'admin', password = PASSWORD): Promise<Api> {
  const login = await fetch(`${url}/api/auth/login/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username, password }),
  });
  assert.equal(login.status, 200, await login.clone().text());
  const { token } = (await login.json()) as { token: string };
  return apiWith(url, token);
}

export function apiWith(url: string, token: string): Api {
  const authorization = `Bearer ${token}`;
  const request: Api['request'] = (method, path, body, headers = {}) =>
    fetch(`${url}${path}`, {
      method,
      headers: { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_MS),
    });
  const good = async <T>(response: Response): Promise<T> => {
    const text = await response.text();
    assert.ok(response.ok, `${response.status} ${response.url}: ${text}`);
    return JSON.parse(text) as T;
  };
  const api: Api = {
    token,
    request,
    get: async (path) => good(await request('GET', path)),
    post: async (path, body) => good(await request('POST', path, body)),
    async upload(files) {
      const form = new FormData();
      form.set('file', new Blob([new Uint8Array(await zipOf(files))], { type: 'application/zip' }), 'app.zip');
      return fetch(`${url}/api/baseApp/upload/`, {
        method: 'POST',
        headers: { authorization },
        body: form,
        signal: AbortSignal.timeout(REQUEST_MS),
      });
    },
    async provide(files) {
      await good(await api.upload(files));
    },
    async deploy(appName, more = {}) {
      const accepted = await api.post<{ instanceName: string }>('/api/deployedApps/deployApp/', { appName, ...more });
      return accepted.instanceName;
    },
    async stop(instanceName) {
      await api.post('/api/deployedApps/stopApp/', { instanceName });
    },
    instance: (name) => api.get(`/api/deployedApps/${name}`),
    instances: async () => (await api.get<{ apps: Instance[] }>('/api/deployedApps/getDeployedApps/')).apps,
    async reaches(name, states, deadlineMs = DEADLINE_MS) {
      const wanted = typeof states === 'string' ? [states] : states;
      const found = await eventually(
        async () => {
          const instance = await api.instance(name);
          const over = ['failed', 'stopped', 'cancelled'].includes(instance.state);
          return wanted.includes(instance.state) || over ? instance : null;
        },
        { deadlineMs, everyMs: 20 },
      );
      assert.ok(
        wanted.includes(found.state),
        `${name} is ${found.state}: ${found.reason}\n${found.lastLogLines?.join('\n')}`,
      );
      return found;
    },
  };
  return api;
}
