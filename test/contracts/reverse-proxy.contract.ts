import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Agent, request as httpRequest } from 'node:http';
import { after, before, describe, test } from 'node:test';
import type { ReverseProxy, Upstream } from '../../src/ports/reverse-proxy.ts';
import { eventually } from '../support/eventually.ts';
import {
  type AskOptions,
  ask,
  begin,
  deadUpstream,
  exchange,
  freePort,
  type Handler,
  holdPort,
  inTime,
  route,
  startLoad,
  startUpstream,
  type TestUpstream,
} from './reverse-proxy.support.ts';

export interface ReverseProxyLab {
  proxy: ReverseProxy;
  /** Where public ports are reached. Default 127.0.0.1. */
  publicHost?: string;
  /** A port for a route that nothing listens on; each call gives another. Default: of `publicHost`, on this machine. */
  freePort?: () => Promise<number>;
  /** Has another program take a port where the proxy's public ports are. Default: this one, on `publicHost`. */
  holdPort?: (port: number) => Promise<{ port: number; release: () => Promise<void> }>;
  /** Where test upstreams listen so that the proxy reaches them. Default 127.0.0.1. */
  upstreamHost?: string;
  cleanup: () => Promise<void>;
}

export interface ReverseProxyContractOptions {
  create: () => Promise<ReverseProxyLab>;
  /** Names of tests with the reason why this adapter cannot pass them. */
  skip?: Record<string, string>;
  /** How often the upstreams are changed under load. Default 200. */
  changes?: number;
}

/** What every ReverseProxy does. */
export function reverseProxyContract(name: string, options: ReverseProxyContractOptions): void {
  describe(`ReverseProxy: ${name}`, () => {
    let lab: ReverseProxyLab;
    let publicHost = '127.0.0.1';
    let ip = '127.0.0.1';
    const publicPort = (): Promise<number> => lab.freePort?.() ?? freePort(publicHost);
    const hold = async (): Promise<{ port: number; release: () => Promise<void> }> => {
      const port = await publicPort();
      return lab.holdPort ? lab.holdPort(port) : holdPort(publicHost, port);
    };
    const upstreams: TestUpstream[] = [];
    before(async () => {
      lab = await options.create();
      publicHost = lab.publicHost ?? publicHost;
      ip = lab.upstreamHost ?? ip;
    });
    after(async () => {
      await lab.cleanup();
      await Promise.all(upstreams.map((upstream) => upstream.close()));
    });
    const check = (title: string, fn: (proxy: ReverseProxy) => Promise<void>): void => {
      test(title, { skip: options.skip?.[title] ?? false, timeout: 120_000 }, () => fn(lab.proxy));
    };
    const app = async (handler?: Handler): Promise<TestUpstream> => {
      const upstream = await startUpstream(handler ? { ip, handler } : { ip });
      upstreams.push(upstream);
      return upstream;
    };
    const url = (port: number, path = '/'): string => `http://${publicHost}:${port}${path}`;
    const text = async (port: number, rest?: AskOptions): Promise<string> =>
      (await ask(url(port), rest)).body.toString();
    /** Makes one route live and returns its port. */
    const live = async (proxy: ReverseProxy, targets: readonly Upstream[], rest = {}): Promise<number> => {
      const port = await publicPort();
      assert.deepEqual(await proxy.apply([route('app', port, targets, rest)]), { rejected: [] });
      return port;
    };

    check('passes on method, path, headers and body, and the answer', async (proxy) => {
      const upstream = await app((request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          response.writeHead(207, [
            ...['Content-Type', 'application/json', 'Set-Cookie', 'a=1; Path=/', 'Set-Cookie', 'b=2'],
            ...['X-Own', 'kept'],
          ]);
          const { method, url: path, headers } = request;
          response.end(JSON.stringify({ method, path, headers, body: Buffer.concat(chunks).toString() }));
        });
      });
      const port = await live(proxy, [upstream]);
      const path = '/a%20b/c//d?x=1&y=%2F&z';
      const headers = { 'X-Custom': 'value', 'Content-Type': 'text/plain', Cookie: 'c=3' };
      const answer = await ask(url(port, path), { method: 'PATCH', headers, data: 'the body' });
      assert.equal(answer.status, 207);
      assert.deepEqual(answer.headers['set-cookie'], ['a=1; Path=/', 'b=2']);
      assert.equal(answer.headers['x-own'], 'kept');
      const got = JSON.parse(answer.body.toString());
      assert.equal(got.method, 'PATCH');
      assert.equal(got.path, path);
      assert.equal(got.body, 'the body');
      assert.equal(got.headers['x-custom'], 'value');
      assert.equal(got.headers.cookie, 'c=3');
      assert.equal(got.headers.host, `${publicHost}:${port}`);
    });

    check('says who asked, and keeps hop-by-hop headers to itself', async (proxy) => {
      const upstream = await app((request, response) => response.end(JSON.stringify(request.headers)));
      const port = await live(proxy, [upstream]);
      const headers = {
        'X-Forwarded-For': '203.0.113.7',
        'X-Forwarded-Proto': 'https',
        TE: 'trailers',
        Host: 'app.test',
      };
      const got = JSON.parse(await text(port, { headers }));
      assert.match(got['x-forwarded-for'], /^203\.0\.113\.7, ?[0-9.]+$/);
      assert.equal(got['x-forwarded-proto'], 'http');
      assert.equal(got['x-forwarded-host'], 'app.test');
      assert.equal(got.host, 'app.test');
      assert.equal(got.te, undefined);
    });

    check('answers HEAD, 204 and 304 without a body, and keeps the connection in step', async (proxy) => {
      const upstream = await app((request, response) => {
        const status = Number(request.url?.slice(1));
        response.writeHead(status, { ETag: '"x"' });
        response.end(status === 200 ? 'hello' : undefined);
      });
      const port = await live(proxy, [upstream]);
      // One connection: had a body come where there is none, the next answer would not be understood.
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      try {
        for (let round = 0; round < 2; round++) {
          const heads = await ask(url(port, '/200'), { agent, method: 'HEAD' });
          assert.deepEqual([heads.status, heads.body.length], [200, 0]);
          for (const status of [204, 304]) {
            const answer = await ask(url(port, `/${status}`), { agent });
            assert.deepEqual([answer.status, answer.body.length, answer.headers.etag], [status, 0, '"x"']);
          }
          assert.equal((await ask(url(port, '/200'), { agent })).body.toString(), 'hello');
        }
      } finally {
        agent.destroy();
      }
    });

    check('shares requests among the upstreams', async (proxy) => {
      const three = await Promise.all([app(), app(), app()]);
      const port = await live(proxy, three);
      for (let index = 0; index < 12; index++) await text(port);
      for (const upstream of three) assert.ok(upstream.seen >= 2, `${upstream.port} saw ${upstream.seen} of 12`);
    });

    check('says 503 and the note when there is no upstream', async (proxy) => {
      const port = await live(proxy, [], { note: '2 of 2 replicas are crash-looping' });
      const { status, body } = await ask(url(port));
      assert.equal(status, 503);
      assert.match(body.toString(), /2 of 2 replicas are crash-looping/);
      const posted = await ask(url(port), { method: 'POST', data: 'x'.repeat(100) });
      assert.equal(posted.status, 503);
    });

    check('asks another upstream when one refuses the connection', async (proxy) => {
      const good = await app();
      const port = await live(proxy, [await deadUpstream(ip), good, await deadUpstream(ip)]);
      for (let index = 0; index < 6; index++) {
        assert.equal(await text(port), String(good.port));
        assert.equal(await text(port, { method: 'POST', data: 'x' }), String(good.port));
      }
    });

    check('says 502 when every upstream refuses the connection', async (proxy) => {
      const port = await live(proxy, [await deadUpstream(ip)]);
      assert.equal((await ask(url(port))).status, 502);
    });

    check('never sends a POST twice', async (proxy) => {
      const hangsUp = await Promise.all([1, 2].map(() => app((request) => request.socket.destroy())));
      const port = await live(proxy, hangsUp);
      assert.equal((await ask(url(port), { method: 'POST', data: 'order' })).status, 502);
      assert.equal(
        hangsUp.reduce((sum, upstream) => sum + upstream.seen, 0),
        1,
      );
    });

    check('refuses bodies over the limit, declared or not', async (proxy) => {
      const upstream = await app();
      const port = await live(proxy, [upstream], { maxBodyBytes: 100_000 });
      assert.equal(await text(port, { method: 'POST', data: 'x'.repeat(100_000) }), String(upstream.port));
      assert.equal((await ask(url(port), { method: 'POST', data: 'x'.repeat(100_001) })).status, 413);
      const headers = { 'Transfer-Encoding': 'chunked' };
      assert.equal((await ask(url(port), { method: 'POST', headers, data: 'x'.repeat(300_000) })).status, 413);
    });

    const carries = async (proxy: ReverseProxy, handler: Handler): Promise<void> => {
      const port = await live(proxy, [await app(handler)]);
      const data = randomBytes(16 * 1_048_576);
      const { body } = await ask(url(port), { method: 'POST', data });
      assert.equal(createHash('sha256').update(body).digest('hex'), createHash('sha256').update(data).digest('hex'));
    };

    check('carries large bodies both ways unchanged', (proxy) =>
      carries(proxy, (request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => response.end(Buffer.concat(chunks)));
      }),
    );

    check('carries on with a large body while its answer comes back already', (proxy) =>
      carries(proxy, (request, response) => {
        request.pipe(response);
      }),
    );

    check('passes on each part of an answer at once', async (proxy) => {
      let say: (line: string) => void = () => undefined;
      let ended = false;
      const upstream = await app((_, response) => {
        response.writeHead(200, { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' });
        response.flushHeaders();
        say = (line) => response.write(line);
        response.on('close', () => {
          ended = true;
        });
      });
      const port = await live(proxy, [upstream]);
      const response = await begin(url(port));
      let got = '';
      response.on('data', (chunk: Buffer) => {
        got += chunk.toString();
      });
      response.on('error', () => undefined);
      for (const line of ['data: 1\n\n', 'data: 2\n\n']) {
        say(line);
        await eventually(() => got.endsWith(line));
      }
      // And the app gets to know that its reader went away.
      response.destroy();
      await eventually(() => ended);
    });

    check('lets the client notice an answer that breaks off', async (proxy) => {
      const chunked = await app((_, response) => {
        response.write('some', () => response.destroy());
      });
      const port = await live(proxy, [chunked]);
      await assert.rejects(ask(url(port)), { code: 'ECONNRESET' });
    });

    check('tunnels an upgraded connection', async (proxy) => {
      const upstream = await startUpstream({
        ip,
        upgrade(_, socket) {
          socket.on('error', () => socket.destroy());
          socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
          socket.pipe(socket);
        },
      });
      upstreams.push(upstream);
      const port = await live(proxy, [upstream]);
      const head = `GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`;
      const { socket, text: answer } = await exchange(publicHost, port, head);
      assert.match(answer, /^HTTP\/1\.1 101 /);
      let got = '';
      socket.on('data', (chunk) => {
        got += chunk.toString();
      });
      socket.write('one');
      await eventually(() => got === 'one');
      socket.write('two');
      await eventually(() => got === 'onetwo');
      socket.destroy();
      await eventually(() => upstream.connections === 0);
    });

    check('passes back the answer to an upgrade that was declined', async (proxy) => {
      const upstream = await app((_, response) => {
        response.writeHead(403).end('not you');
      });
      const port = await live(proxy, [upstream]);
      const outgoing = httpRequest(url(port), {
        agent: false,
        headers: { Connection: 'Upgrade', Upgrade: 'websocket' },
      });
      const status = await new Promise((resolve, reject) => {
        outgoing.on('response', (response) => {
          response.resume().on('end', () => resolve(response.statusCode));
        });
        outgoing.on('error', reject).end();
      });
      assert.equal(status, 403);
    });

    check('makes exactly the given routes live', async (proxy) => {
      const [one, two] = await Promise.all([app(), app()]);
      const [first, second] = [await publicPort(), await publicPort()];
      await proxy.apply([route('one', first, [one])]);
      assert.equal(await text(first), String(one.port));
      await proxy.apply([route('one', first, [one]), route('two', second, [two])]);
      assert.equal(await text(first), String(one.port));
      assert.equal(await text(second), String(two.port));
      await proxy.apply([route('two', second, [one])]);
      await eventually(() =>
        ask(url(first)).then(
          () => false,
          () => true,
        ),
      );
      assert.equal(await text(second), String(one.port));
      await proxy.apply([]);
      await eventually(() =>
        ask(url(second)).then(
          () => false,
          () => true,
        ),
      );
    });

    check('lets requests under way on a removed upstream and a removed route finish', async (proxy) => {
      let finish: (() => void)[] = [];
      const slow = await app((_, response) => {
        response.write('slow ');
        finish.push(() => response.end('but whole'));
      });
      const other = await app();
      const port = await live(proxy, [slow]);
      for (const next of [[route('app', port, [other])], []]) {
        if (next.length > 0) await proxy.apply([route('app', port, [slow])]);
        const under = ask(url(port));
        await eventually(() => finish.length === 1);
        await proxy.apply(next);
        if (next.length > 0) assert.equal(await text(port), String(other.port));
        for (const end of finish) end();
        finish = [];
        assert.equal((await under).body.toString(), 'slow but whole');
        await proxy.apply([route('app', port, [slow])]);
      }
    });

    check('says when an upstream is drained', async (proxy) => {
      let finish: () => void = () => undefined;
      const slow = await app((_, response) => {
        response.write('…');
        finish = () => response.end();
      });
      const other = await app();
      const port = await live(proxy, [slow]);
      const under = ask(url(port));
      await eventually(() => slow.seen === 1);
      await proxy.apply([route('app', port, [other])]);
      let drained = false;
      const waiting = proxy.drained(slow, 60_000).then(() => {
        drained = true;
      });
      await proxy.drained(slow, 50);
      assert.equal(drained, false, 'a request is under way, so only the deadline ends the wait');
      finish();
      await under;
      await inTime(waiting);
      await inTime(proxy.drained(slow, 60_000));
      await inTime(proxy.drained({ ip, port: 1 }, 60_000));
    });

    check('sets a bad route aside, and the others live', async (proxy) => {
      const upstream = await app();
      const good = await publicPort();
      const held = await hold();
      try {
        const { rejected } = await proxy.apply([route('bad', held.port, [upstream]), route('good', good, [upstream])]);
        assert.deepEqual(
          rejected.map(({ name, portTaken }) => [name, portTaken]),
          [['bad', true]],
        );
        assert.match(rejected[0]?.reason ?? '', new RegExp(String(held.port)));
        assert.equal(await text(good), String(upstream.port));
      } finally {
        await held.release();
      }
    });

    check('takes the first of two routes with one port or one name', async (proxy) => {
      const [one, two] = await Promise.all([app(), app()]);
      const [port, other] = [await publicPort(), await publicPort()];
      const wanted = [route('one', port, [one]), route('two', port, [two]), route('ONE', other, [two])];
      const { rejected } = await proxy.apply(wanted);
      assert.deepEqual(rejected.map(({ name, portTaken }) => `${name} ${portTaken}`).sort(), ['ONE false', 'two true']);
      assert.equal(await text(port), String(one.port));
    });

    check('knows whether a public port can be used', async (proxy) => {
      const port = await live(proxy, [await app()]);
      const unused = await publicPort();
      const held = await hold();
      try {
        assert.deepEqual(await Promise.all([port, unused, held.port].map((one) => proxy.portFree(one))), [
          true,
          true,
          false,
        ]);
      } finally {
        await held.release();
      }
    });

    check('ends with the last of several changes at once', async (proxy) => {
      const apps = await Promise.all([app(), app(), app()]);
      const port = await publicPort();
      await Promise.all(apps.map((upstream) => proxy.apply([route('app', port, [upstream])])));
      for (let index = 0; index < 4; index++) assert.equal(await text(port), String(apps[2]?.port));
    });

    check('fails no request while upstreams are changed under load', async (proxy) => {
      const apps = await Promise.all([app(), app(), app(), app()]);
      const port = await live(proxy, apps);
      const load = startLoad(url(port), 16, () => new Set(apps.map((upstream) => String(upstream.port))));
      const changes = options.changes ?? 200;
      for (let change = 0; change < changes; change++) {
        // 1 to 3 of the 4, another choice each time.
        const chosen = apps.filter((_, index) => (change + index) % 4 <= change % 3);
        await proxy.apply([route('app', port, chosen)]);
        const answered = load.answered();
        await eventually(() => load.answered() > answered, { everyMs: 1 });
      }
      const { sent, failures, byUpstream } = await load.stop();
      assert.deepEqual(failures, []);
      assert.ok(sent >= changes, `${sent} requests`);
      assert.ok(byUpstream.size >= 2, `${byUpstream.size} of 4 upstreams were used`);
    });
  });
}
