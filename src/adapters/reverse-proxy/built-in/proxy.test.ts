import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type TestContext, test } from 'node:test';
import { builtInLab } from '../../../../test/contracts/broken/reverse-proxy-lab.ts';
import { expectContractToFail } from '../../../../test/contracts/broken.ts';
import { reverseProxyContract } from '../../../../test/contracts/reverse-proxy.contract.ts';
import {
  ask,
  begin,
  deadUpstream,
  exchange,
  freePort,
  type Handler,
  inTime,
  route,
  startUpstream,
} from '../../../../test/contracts/reverse-proxy.support.ts';
import { eventually } from '../../../../test/support/eventually.ts';
import type { Route, Upstream } from '../../../ports/reverse-proxy.ts';
import type { BuiltInProxyOptions } from './proxy.ts';

const ip = '127.0.0.1';

reverseProxyContract('built in', { create: () => builtInLab(), changes: 1000 });

test('the contract notices a proxy that never removes a route', () =>
  expectContractToFail(
    new URL('../../../../test/contracts/broken/reverse-proxy-keeps-routes.fixture.ts', import.meta.url),
    ['makes exactly the given routes live'],
  ));

test('the contract notices a proxy that does not wait for requests under way', () =>
  expectContractToFail(
    new URL('../../../../test/contracts/broken/reverse-proxy-drained-at-once.fixture.ts', import.meta.url),
    ['says when an upstream is drained'],
  ));

/** A proxy with one route. */
async function start(
  t: TestContext,
  upstreams: readonly Upstream[],
  rest: Partial<Route> = {},
  options: Partial<BuiltInProxyOptions> = {},
) {
  const log: string[] = [];
  const { proxy, cleanup } = await builtInLab(() => ({}), { log: (line) => log.push(line), ...options });
  t.after(cleanup);
  const port = await freePort(ip);
  assert.deepEqual(await proxy.apply([route('room-comfort-1', port, upstreams, rest)]), { rejected: [] });
  return { proxy, port, url: `http://${ip}:${port}/`, log };
}

async function app(t: TestContext, handler?: Handler) {
  const upstream = await startUpstream(handler ? { ip, handler } : { ip });
  t.after(() => upstream.close());
  return upstream;
}

/** An upstream that is no HTTP server: calls back with each connection's socket. */
async function rawApp(t: TestContext, onSocket: (socket: Socket) => void): Promise<Upstream> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, ip, resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return { ip, port: (server.address() as AddressInfo).port };
}

test('error pages name the app and the reason, as problem details or HTML', async (t) => {
  const dead = await deadUpstream(ip);
  const { proxy, port, url, log } = await start(t, [dead]);
  const failed = await ask(url);
  assert.equal(failed.status, 502);
  assert.equal(failed.headers['content-type'], 'application/problem+json');
  assert.deepEqual(JSON.parse(failed.body.toString()), {
    type: 'about:blank',
    title: 'The app did not answer',
    status: 502,
    code: 'AVK_SERVICE_UNAVAILABLE',
    detail: `room-comfort-1: nothing listens on 127.0.0.1:${dead.port}`,
    app: 'room-comfort-1',
  });
  assert.match(log[0] ?? '', new RegExp(`nothing listens on 127.0.0.1:${dead.port}`));

  await proxy.apply([route('room-comfort-1', port, [], { note: '<script>&"starting"' })]);
  const page = await ask(url, { headers: { Accept: 'text/html,*/*;q=0.8' } });
  assert.equal(page.status, 503);
  assert.equal(page.headers['retry-after'], '2');
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
  assert.match(page.body.toString(), /room-comfort-1: &#60;script&#62;&#38;&#34;starting&#34;/);
  assert.doesNotMatch(page.body.toString(), /<script|src=|href=|url\(/);
  assert.notEqual(
    (await ask(url, { headers: { Connection: 'keep-alive' } })).headers.connection,
    'close',
    'an error is no reason to close the connection',
  );
  const head = await ask(url, { method: 'HEAD' });
  assert.deepEqual([head.status, head.body.length], [503, 0]);
});

test('an upstream that does not answer in time is 504, and its connection is given up', async (t) => {
  const silent = await app(t, () => undefined);
  const { url } = await start(t, [silent], {}, { firstByteTimeoutMs: 100 });
  const { status, body } = await ask(url);
  assert.equal(status, 504);
  assert.equal(JSON.parse(body.toString()).code, 'AVK_DEADLINE');
  await eventually(() => silent.connections === 0);
});

test('what is not HTTP is 502', async (t) => {
  const upstream = await rawApp(t, (socket) => socket.once('data', () => socket.end('220 mail.example.org ESMTP\r\n')));
  const { url } = await start(t, [upstream]);
  const { status, body } = await ask(url);
  assert.equal(status, 502);
  assert.match(body.toString(), /gave an answer that is not HTTP/);
});

test('a GET is sent again when its kept connection was closed meanwhile; a POST is not', async (t) => {
  let requests = 0;
  let hangUps = 0;
  const upstream = await rawApp(t, (socket) => {
    socket.on('data', () => {
      requests++;
      if (hangUps-- > 0) socket.resetAndDestroy();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  });
  const { url } = await start(t, [upstream]);
  const reached = async (method: string, times: number, data = ''): Promise<number[]> => {
    requests = 0;
    hangUps = times;
    const { status } = await ask(url, { method, data });
    return [status, requests];
  };
  assert.deepEqual(await reached('GET', 0), [200, 1]);
  assert.deepEqual(await reached('GET', 1), [200, 2]);
  assert.deepEqual(await reached('PUT', 2, 'whole'), [200, 3]);
  assert.deepEqual(await reached('GET', 9), [502, 3]);
  assert.deepEqual(await reached('POST', 1, 'order'), [502, 1]);
});

test('an upload that failed under way is not sent again', async (t) => {
  let seen = 0;
  const upstream = await rawApp(t, (socket) => {
    socket.once('data', () => {
      seen++;
      socket.resetAndDestroy();
    });
  });
  const { url } = await start(t, [upstream]);
  const { status } = await ask(url, { method: 'PUT', data: Buffer.alloc(1_000_000) });
  assert.equal(status, 502);
  assert.equal(seen, 1);
});

test('Connection cannot take away what the proxy says; what it names stays here', async (t) => {
  const upstream = await app(t, (request, response) => {
    response.setHeader('X-Hop', 'secret');
    response.setHeader('Connection', 'keep-alive, X-Hop');
    response.end(JSON.stringify(request.headers));
  });
  const { port } = await start(t, [upstream]);
  const lines = [
    'GET / HTTP/1.1',
    'Host: a',
    'Connection: close, X-Forwarded-For, X-Own, Host',
    'X-Own: 1',
    'X-Other: 2',
  ];
  const { text, socket } = await exchange(ip, port, `${lines.join('\r\n')}\r\n\r\n`);
  socket.destroy();
  assert.doesNotMatch(text, /x-hop/i);
  assert.doesNotMatch(text, /x-own/i);
  assert.match(text, /"x-other":"2"/);
  assert.match(text, /"x-forwarded-for":"127.0.0.1"/);
  assert.match(text, /"host":"a"/);
});

test('requests that mean different things to different readers are refused', async (t) => {
  const upstream = await app(t);
  const { port } = await start(t, [upstream]);
  const bad = [
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc',
    'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
  ];
  for (const bytes of bad) {
    const { text, socket } = await exchange(ip, port, bytes);
    socket.destroy();
    assert.match(text, /^HTTP\/1\.1 400 /, bytes);
  }
  assert.equal(upstream.seen, 0);
  const { text, socket } = await exchange(ip, port, 'GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n');
  socket.destroy();
  assert.match(text, /^HTTP\/1\.1 200 /);
});

test('100 Continue comes when the body may come, and not when it would be refused', async (t) => {
  const upstream = await app(t);
  const { port } = await start(t, [upstream], { maxBodyBytes: 10 });
  const expecting = (length: number): string =>
    `POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`;
  const refused = await exchange(ip, port, expecting(11));
  refused.socket.destroy();
  assert.match(refused.text, /^HTTP\/1\.1 413 /);
  const { text, socket } = await exchange(ip, port, expecting(3));
  assert.equal(text, 'HTTP/1.1 100 Continue\r\n\r\n');
  const answer = new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(chunk.toString())));
  socket.write('abc');
  assert.match(await answer, /^HTTP\/1\.1 200 /);
  socket.destroy();
});

test('an answer before the end of an upload reaches the client', async (t) => {
  const upstream = await app(t, (_, response) => {
    response.writeHead(403).end('no uploads');
  });
  const { url } = await start(t, [upstream]);
  const { status, body } = await ask(url, { method: 'POST', data: Buffer.alloc(8 * 1_048_576) });
  assert.deepEqual([status, body.toString()], [403, 'no uploads']);
});

test('a client that goes away frees the upstream, during an upload too', async (t) => {
  let started = 0;
  const upstream = await app(t, (request) => {
    request.once('data', () => started++);
    request.on('error', () => undefined);
  });
  const { proxy, url, port } = await start(t, [upstream]);
  const upload = httpRequest(url, { method: 'POST', agent: false });
  upload.on('error', () => undefined);
  upload.write(Buffer.alloc(100_000));
  await eventually(() => started === 1);
  upload.destroy();
  await eventually(() => upstream.connections === 0);
  await proxy.apply([route('room-comfort-1', port, [])]);
  await inTime(proxy.drained(upstream, 60_000));
});

test('an upgrade goes to another upstream when one refuses, and says 502 or 503 when none is left', async (t) => {
  const upstream = await startUpstream({
    ip,
    upgrade: (_, socket) =>
      socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhi'),
  });
  t.after(() => upstream.close());
  const dead = await deadUpstream(ip);
  const { proxy, port } = await start(t, [dead, upstream]);
  const bytes = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n';
  const status = async (): Promise<string> => {
    const { text, socket } = await exchange(ip, port, bytes);
    socket.destroy();
    return text.slice(0, 12);
  };
  assert.equal(await status(), 'HTTP/1.1 101');
  assert.equal(await status(), 'HTTP/1.1 101');
  await proxy.apply([route('room-comfort-1', port, [dead])]);
  assert.equal(await status(), 'HTTP/1.1 502');
  await proxy.apply([route('room-comfort-1', port, [])]);
  assert.equal(await status(), 'HTTP/1.1 503');
});

test('a tunnel counts as under way', async (t) => {
  const upstream = await startUpstream({
    ip,
    upgrade: (_, socket) =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
  });
  t.after(() => upstream.close());
  const { proxy, port } = await start(t, [upstream]);
  const { socket } = await exchange(ip, port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
  await proxy.apply([route('room-comfort-1', port, [])]);
  let drained = false;
  const waiting = proxy.drained(upstream, 60_000).then(() => {
    drained = true;
  });
  await proxy.drained(upstream, 50);
  assert.equal(drained, false);
  socket.destroy();
  await inTime(waiting);
});

test('an offer of h2c is ignored and the request answered', async (t) => {
  const upstream = await app(t);
  const { url } = await start(t, [upstream]);
  const headers = { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': 'AAMAAABk' };
  const { status, body } = await ask(url, { headers });
  assert.deepEqual([status, body.toString()], [200, String(upstream.port)]);
});

test('idle connections of a removed upstream are closed once it is drained', async (t) => {
  const [one, two] = await Promise.all([app(t), app(t)]);
  const { proxy, port, url } = await start(t, [one]);
  await Promise.all([1, 2, 3].map(() => ask(url)));
  assert.ok(one.connections > 0);
  await proxy.apply([route('room-comfort-1', port, [two])]);
  await inTime(proxy.drained(one, 60_000));
  await eventually(() => one.connections === 0);
});

test('close gives requests under way their time, then cuts them', async (t) => {
  let seen = 0;
  const upstream = await app(t, (request, response) => {
    seen++;
    if (request.url === '/short') setTimeout(() => response.end('done'), 50);
    else response.write('for ever');
  });
  const { proxy, url } = await start(t, [upstream], {}, { closeGraceMs: 300 });
  const short = ask(`${url}short`);
  const endless = await begin(`${url}endless`);
  const cut = new Promise<Error>((resolve) => endless.resume().once('error', resolve));
  await eventually(() => seen === 2);
  await proxy.close();
  assert.equal((await short).body.toString(), 'done');
  assert.equal((await short).headers.connection, 'close');
  assert.match(String(await cut), /aborted/);
  await assert.rejects(proxy.apply([]), { code: 'AVK_SERVICE_UNAVAILABLE' });
  await proxy.close();
});

test('bodies of any size go through in bounded memory, at the pace of the slower side', async (t) => {
  const size = 600 * 1_048_576;
  const megabyte = Buffer.alloc(1_048_576, 7);
  const source = (): Readable =>
    Readable.from(
      (function* () {
        for (let sent = 0; sent < size; sent += megabyte.length) yield megabyte;
      })(),
      { objectMode: false },
    );
  const upstream = await app(t, (request, response) => {
    if (request.method === 'GET') {
      source().pipe(response);
      return;
    }
    let got = 0;
    request.on('data', (chunk: Buffer) => {
      got += chunk.length;
    });
    request.on('end', () => response.end(String(got)));
  });
  const { url } = await start(t, [upstream]);
  // Client, proxy and app share this process, so this is more than the proxy's own.
  const before = process.memoryUsage.rss();
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 10);
  t.after(() => clearInterval(watch));
  let got = 0;
  for await (const chunk of await begin(url)) got += (chunk as Buffer).length;
  assert.equal(got, size);
  const upload = httpRequest(url, { method: 'POST', agent: false });
  const answer = new Promise<string>((resolve, reject) => {
    upload.on('error', reject).on('response', (response) => response.on('data', (chunk) => resolve(String(chunk))));
  });
  await pipeline(source(), upload);
  assert.equal(await answer, String(size));
  assert.ok(peak - before < 250 * 1_048_576, `${Math.round((peak - before) / 1_048_576)} MiB more than before`);
});

test('a download waits for a client that does not read', async (t) => {
  let written = 0;
  const upstream = await app(t, (_, response) => {
    const chunk = Buffer.alloc(65_536);
    const more = (): void => {
      while (!response.destroyed) {
        written += chunk.length;
        if (!response.write(chunk)) break;
      }
    };
    response.on('drain', more);
    more();
  });
  const { url } = await start(t, [upstream]);
  const response = await begin(url);
  response.on('error', () => undefined);
  let last = -1;
  // Endless, so it stands still only when every buffer on the way is full.
  await eventually(
    () => {
      const still = written === last;
      last = written;
      return still;
    },
    { everyMs: 300 },
  );
  assert.ok(written < 64 * 1_048_576, `${written} bytes were taken from the app`);
  response.destroy();
});
