import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { basename } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Api, signIn } from '../support/api.ts';
import { appOf } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { FLEET, type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { outlivedBy } from '../support/processes.ts';
import { askableApp } from './http.support.ts';

const CLIENTS = 8;

describe('traffic through the public port', () => {
  let home: Home;
  let platform: TestPlatform;
  let api: Api;
  let endpoint: string;
  const name = 'app-1';

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home });
    api = await signIn(platform.url);
    await api.provide(askableApp('app'));
    assert.equal(await api.deploy('app'), name);
    endpoint = (await api.reaches(name, 'running')).endpoint ?? '';
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    assert.deepEqual(outlivedBy(home.directory), []);
    home.remove();
  });

  test('a WebSocket is opened and echoes what it is sent, frame by frame', async () => {
    const request = httpRequest(endpoint, {
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      },
    });
    request.end();
    const [response, socket] = (await once(request, 'upgrade')) as [IncomingMessage, Socket, Buffer];
    try {
      assert.equal(response.statusCode, 101);
      // RFC 6455's own example: the app saw the key as it was sent.
      assert.equal(response.headers['sec-websocket-accept'], 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
      for (const text of ['hello', 'once more', 'x'.repeat(100)]) {
        socket.write(maskedFrame(text));
        const [frame] = (await once(socket, 'data')) as [Buffer];
        assert.deepEqual(frame, Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]));
      }
    } finally {
      socket.destroy();
    }
  });

  test('server-sent events arrive one by one, each before the next is sent', async () => {
    const left = new AbortController();
    const response = await fetch(`${endpoint}/ticks`, { signal: left.signal });
    assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
    assert.ok(response.body);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let n = 0; n < 5; n += 1) {
      if (n > 0) assert.equal(await (await fetch(`${endpoint}/tick?n=${n}`)).text(), 'ok');
      assert.deepEqual(await reader.read(), { done: false, value: `data: ${n}\n\n` });
    }
    left.abort();
    await assert.rejects(reader.read());
  });

  test('five megabytes are posted and come back byte for byte', async () => {
    const sent = randomBytes(5 * 1024 * 1024);
    const response = await fetch(`${endpoint}/echo`, { method: 'POST', body: sent });
    assert.equal(response.status, 200);
    assert.ok(Buffer.from(await response.arrayBuffer()).equals(sent));
    const chunked = await fetch(`${endpoint}/echo`, {
      method: 'PUT',
      body: new Blob([sent]).stream(),
      duplex: 'half',
    } as RequestInit);
    assert.ok(Buffer.from(await chunked.arrayBuffer()).equals(sent), 'also without a length');
  });

  test('a body over the limit that the app says is answered with 413 and does not reach it', async () => {
    await api.provide(askableApp('modest', { maxBodyMb: 1 }));
    const modest = await api.deploy('modest');
    const { endpoint: itsOwn } = await api.reaches(modest, 'running');
    const post = (bytes: number): Promise<Response> =>
      fetch(`${itsOwn}/echo`, { method: 'POST', body: randomBytes(bytes) });
    assert.equal((await (await post(500_000)).arrayBuffer()).byteLength, 500_000);
    assert.equal((await post(2_000_000)).status, 413);
    await api.stop(modest);
    await api.reaches(modest, 'stopped');
  });

  test('the app is told who asks, by which protocol and under which address', async () => {
    const headersOf = async (headers: Record<string, string>): Promise<Record<string, string>> =>
      (await (await fetch(`${endpoint}/headers`, { headers })).json()) as Record<string, string>;
    const plain = await headersOf({ 'x-own': 'kept', authorization: 'Bearer of-the-app' });
    const asker = FLEET === null ? '127.0.0.1' : `10.77.${basename(FLEET)}.1`;
    assert.equal(plain['x-forwarded-for'], asker);
    assert.equal(plain['x-forwarded-proto'], 'http');
    assert.equal(plain['x-forwarded-host'], new URL(endpoint).host);
    assert.equal(plain.host, new URL(endpoint).host);
    assert.deepEqual([plain['x-own'], plain.authorization], ['kept', 'Bearer of-the-app']);
    const forged = await headersOf({
      'x-forwarded-for': '198.51.100.7',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'bank.example',
    });
    assert.equal(forged['x-forwarded-for'], `198.51.100.7, ${asker}`, 'continued');
    assert.equal(forged['x-forwarded-proto'], 'http');
    assert.equal(forged['x-forwarded-host'], new URL(endpoint).host);
  });

  test('a 404 of the app is the app’s own', async () => {
    const response = await fetch(`${endpoint}/missing`, { headers: { accept: 'text/html' } });
    assert.deepEqual([response.status, response.headers.get('x-app')], [404, 'yes']);
    assert.equal(await response.text(), 'the app has no such page');
  });

  test('while no replica is healthy the page names the app and why, for browsers and for programs', async () => {
    // Breaks for good when told to: what it notes in its home is there at the next start.
    const main = `
const fs = require('node:fs');
const broken = process.env.HOME + '/broken';
if (fs.existsSync(broken)) process.exit(7);
require('node:http').createServer((request, response) => {
  if (request.url === '/break') { fs.writeFileSync(broken, ''); process.exit(7); }
  response.end('ok');
}).listen(process.env.PORT);`;
    await api.provide(appOf('fragile', main));
    const fragile = await api.deploy('fragile');
    const url = (await api.reaches(fragile, 'running')).endpoint ?? '';
    await fetch(`${url}/break`).then(
      (response) => response.text(),
      () => 'cut off',
    );
    const html = await eventually(async () => {
      const response = await fetch(url, { headers: { accept: 'text/html,*/*' } });
      const text = await response.text();
      return response.status === 503 && text.includes('code 7') ? { response, text } : null;
    });
    assert.match(html.response.headers.get('content-type') ?? '', /^text\/html/);
    assert.match(html.response.headers.get('retry-after') ?? '', /^\d+$/);
    assert.equal(html.response.headers.get('cache-control'), 'no-store');
    assert.match(html.text, new RegExp(`<h1>.*${fragile}`));
    const response = await fetch(`${url}/deep/path`, { method: 'POST', body: 'x' });
    assert.equal(response.status, 503);
    assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/);
    const problem = (await response.json()) as Record<string, unknown>;
    assert.deepEqual([problem.status, problem.code], [503, 'AVK_SERVICE_UNAVAILABLE']);
    for (const what of [fragile, 'fragile has no healthy replica', 'exited with code 7']) {
      assert.ok(String(problem.detail).includes(what), String(problem.detail));
      assert.ok(html.text.includes(what), html.text);
    }
    await api.stop(fragile);
    await api.reaches(fragile, 'stopped');
    const after = await fetch(url).then(
      ({ status }) => status,
      () => 'refused',
    );
    assert.ok(['refused', 404, 503].includes(after), `a stopped app answered ${after}`);
  });

  test('no request of eight busy clients fails while replicas come and go', async () => {
    const over = new AbortController();
    const failures: string[] = [];
    const served = new Map<string, number>();
    const clients = Array.from({ length: CLIENTS }, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      try {
        while (!over.signal.aborted) {
          const answer = await ask(`${endpoint}/`, agent).catch((error: Error) => `failed: ${error.message}`);
          if (answer.startsWith(`200 ${name}_instance_`)) served.set(answer, (served.get(answer) ?? 0) + 1);
          else failures.push(answer);
        }
      } finally {
        agent.destroy();
      }
    });
    const replicas = async (count: number): Promise<void> => {
      await api.post('/api/deployedApps/scale/', { instanceName: name, replicas: count });
      await eventually(
        async () => {
          const states = (await api.instance(name)).replicas.map(({ state }) => state);
          return states.length === count && states.every((state) => state === 'healthy');
        },
        { deadlineMs: 20_000 },
      );
    };
    /** Waits until so many different replicas have answered since now. */
    const answering = async (count: number): Promise<void> => {
      served.clear();
      await eventually(() => {
        const said = `${[...served.keys()]} answered, ${failures.length} did not: ${failures.slice(0, 5)}`;
        assert.ok(served.size >= count, `${count} are to answer; ${said}`);
        return true;
      });
    };
    try {
      await answering(1);
      for (const count of [4, 2, 3]) {
        await replicas(count);
        await answering(count);
      }
    } finally {
      over.abort();
      await Promise.all(clients);
    }
    assert.deepEqual(failures, []);
    assert.ok([...served.values()].reduce((sum, one) => sum + one, 0) > 0);
  });

  test('a stopped app’s address does not answer in its name any more', async () => {
    await api.stop(name);
    await api.reaches(name, 'stopped');
    const answer = await fetch(endpoint).then(
      async (response) => `${response.status} ${await response.text()}`,
      () => 'refused',
    );
    assert.ok(answer === 'refused' || /^(404|503) /.test(answer), answer);
  });
});

/** One text frame as a client sends it. */
function maskedFrame(text: string): Buffer {
  const mask = randomBytes(4);
  const data = Buffer.from(text).map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length]), mask, data]);
}

/** Status and body. */
async function ask(url: string, agent: Agent): Promise<string> {
  const request = httpRequest(url, { agent, timeout: 10_000 });
  request.on('timeout', () => request.destroy(new Error('no answer within 10 s')));
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  return `${response.statusCode} ${text}`;
}
