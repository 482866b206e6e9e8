import assert from 'node:assert/strict';
import { type Api, signIn } from '../support/api.ts';
import { appOf, type Files } from '../support/apps.ts';

/** The body of every error. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  errors: { path: string; message: string; received?: string }[];
}

/** The answer as a problem of that status and, if given, code; fails on any other answer. */
export async function refused(response: Response, status: number, code?: string): Promise<Problem> {
  const text = await response.text();
  assert.equal(response.status, status, `${response.status} ${response.url}: ${text}`);
  assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json(;|$)/, text);
  const problem = JSON.parse(text) as Problem;
  for (const key of ['type', 'title', 'code', 'detail'] as const) assert.equal(typeof problem[key], 'string', text);
  assert.equal(problem.status, status, text);
  assert.match(problem.code, /^AVK_[A-Z_]+$/, text);
  assert.ok(problem.type.endsWith(`#${problem.code}`), text);
  assert.ok(Array.isArray(problem.errors), text);
  for (const error of problem.errors) {
    assert.equal(typeof error.path, 'string', text);
    assert.equal(typeof error.message, 'string', text);
  }
  if (code) assert.equal(problem.code, code, text);
  return problem;
}

/** Adds a user and signs in as that one. */
export async function newUser(url: string, admin: Api, username: string, role: string): Promise<Api> {
  const password = `${username} has a long password`;
  await admin.post('/api/auth/register/', { username, password, role });
  return signIn(url, username, password);
}

export interface Followed {
  events: { event: string; data: Record<string, unknown> }[];
  /** Resolves when either side has ended it. */
  ended: Promise<void>;
  close(): void;
}

/** Server-sent events as they come, until closed. Resolves once the server has begun to answer. */
export async function follow(api: Api, url: string, path: string): Promise<Followed> {
  const left = new AbortController();
  const response = await fetch(`${url}${path}`, {
    headers: { authorization: `Bearer ${api.token}` },
    signal: left.signal,
  });
  assert.equal(response.status, 200, `${path} answered ${response.status}`);
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
  assert.ok(response.body);
  const events: Followed['events'] = [];
  const ended = readEvents(response.body, (event) => events.push(event)).catch((error) => {
    if (!left.signal.aborted) throw error;
  });
  return { events, ended, close: () => left.abort() };
}

async function readEvents(
  body: ReadableStream<Uint8Array>,
  take: (event: Followed['events'][number]) => void,
): Promise<void> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const event = /^event: (.+)$/m.exec(block)?.[1] ?? 'message';
      const data = /^data: (.+)$/m.exec(block)?.[1];
      if (data) take({ event, data: JSON.parse(data) as Record<string, unknown> });
    }
  }
}

/**
 * An app for asking questions through its public port:
 *
 * - `/` its replica's name; `/env` its environment; `/headers` the request's; `/missing` a 404 of its own
 * - `/print?text` prints a line; `/slow?ms` answers with its name after so long; `/echo` gives the body back
 * - `/ticks` three server-sent events, each sent when `/tick` is called; any upgrade: echoes what it is sent
 */
export function askableApp(name: string, more: Record<string, unknown> = {}): Files {
  return appOf(name, ASKABLE, { health: { path: '/health', startSeconds: 20 }, ...more });
}

const ASKABLE = `
const http = require('node:http');
const crypto = require('node:crypto');
const { AVISHKAR_REPLICA: replica, PORT } = process.env;
let ticking = null;
const server = http.createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://app');
  const json = (value) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
  switch (pathname) {
    case '/env': return json(process.env);
    case '/headers': return json(request.headers);
    case '/print': console.log(searchParams.get('text')); return response.end(replica);
    case '/slow': return void setTimeout(() => response.end(replica), Number(searchParams.get('ms')));
    case '/echo': {
      const chunks = [];
      return void request.on('data', (chunk) => chunks.push(chunk)).on('end', () => response.end(Buffer.concat(chunks)));
    }
    case '/missing': response.statusCode = 404; return response.setHeader('x-app', 'yes').end('the app has no such page');
    case '/ticks': ticking = response; response.setHeader('content-type', 'text/event-stream'); return response.write('data: 0\\n\\n');
    case '/tick': ticking.write('data: ' + searchParams.get('n') + '\\n\\n'); return response.end('ok');
    default: return response.end(replica);
  }
});
server.on('upgrade', (request, socket) => {
  const accept = crypto.createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + accept + '\\r\\n\\r\\n');
  socket.on('data', (chunk) => {
    // One short masked text frame in, the same one unmasked out.
    const length = chunk[1] & 127, mask = chunk.subarray(2, 6), data = chunk.subarray(6, 6 + length);
    socket.write(Buffer.concat([Buffer.from([0x81, length]), data.map((byte, index) => byte ^ mask[index % 4])]));
  });
  socket.on('error', () => socket.destroy());
});
server.listen(PORT, () => console.log('started', replica));
process.on('SIGTERM', () => process.exit(0));
`;
