import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import type { AvkError } from '../../../domain/errors.ts';
import type { Host } from '../../../ports/host.ts';
import { systemClock } from '../../clock/system.ts';
import { openConnection } from '../../host/open-connection.ts';
import { createDockerApi, type DockerApi, DockerError } from './docker-api.ts';

const VERSION = { ApiVersion: '1.47', MinAPIVersion: '1.24' };

/** An API over a socket that `answer` serves, but for the version. */
async function apiOf(
  t: TestContext,
  answer: RequestListener,
  version: object = VERSION,
): Promise<{ api: DockerApi; server: Server; connect: { fail: Error | null; last: Duplex | null } }> {
  const folder = await mkdtemp(join(tmpdir(), 'avishkar-docker-'));
  const server = createServer((request, response) => {
    if (request.url === '/version') response.end(JSON.stringify(version));
    else answer(request, response);
  });
  server.listen(join(folder, 'socket'));
  await once(server, 'listening');
  const connect: { fail: Error | null; last: Duplex | null } = { fail: null, last: null };
  const host = {
    name: 'VM1',
    connect: async (_: unknown, { signal }: { signal: AbortSignal }) => {
      if (connect.fail) throw connect.fail;
      connect.last = await openConnection({ socket: join(folder, 'socket') }, signal);
      return connect.last;
    },
  } as unknown as Host;
  const api = createDockerApi({ host, clock: systemClock });
  t.after(async () => {
    api.close();
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });
  return { api, server, connect };
}

const unreachable =
  (message: RegExp, retryable = true) =>
  (error: AvkError): boolean => {
    assert.equal(error.code, 'AVK_HOST_UNREACHABLE', error.stack);
    assert.match(error.message, message);
    assert.equal(error.retryable, retryable);
    return true;
  };

test('speaks the oldest version that it knows, and that Docker still does', async (t) => {
  const paths: string[] = [];
  const note: RequestListener = (request, response) => {
    paths.push(request.url ?? '');
    response.end('{}');
  };
  const old = await apiOf(t, note);
  await old.api.act('GET', '/info', { query: { a: 'b c', none: undefined } });
  const later = await apiOf(t, note, { ApiVersion: '1.60', MinAPIVersion: '1.44' });
  await later.api.act('GET', '/info');
  assert.deepEqual(paths, ['/v1.41/info?a=b+c', '/v1.44/info']);
  const ancient = await apiOf(t, note, { ApiVersion: '1.40' });
  await assert.rejects(ancient.api.act('GET', '/info'), unreachable(/1\.40 .* install Docker 20\.10 or newer/, false));
});

test('keeps connections, and asks again when a kept one was closed meanwhile', async (t) => {
  const sockets = new Set<Socket>();
  const { api } = await apiOf(t, (request, response) => {
    sockets.add(request.socket);
    // The second request over a connection finds it closed.
    if (request.url?.endsWith('/cut') && sockets.size === 1) request.socket.destroy();
    else response.end('{}');
  });
  for (let n = 0; n < 5; n += 1) await api.act('GET', '/info');
  assert.equal(sockets.size, 1);
  await api.act('DELETE', '/cut');
  assert.equal(sockets.size, 2);
});

test('gives what Docker says as an error with its status', async (t) => {
  const { api } = await apiOf(t, (_, response) => {
    response.statusCode = 409;
    response.end('{"message":"it is in use\\n"}');
  });
  await assert.rejects(api.act('DELETE', '/images/x'), (error: DockerError) => {
    assert.ok(error instanceof DockerError);
    assert.deepEqual([error.status, error.message], [409, 'it is in use']);
    return true;
  });
});

test('an answer of another shape is an error that says which', async (t) => {
  const { api } = await apiOf(t, (_, response) => response.end('{"Id":7}'));
  await assert.rejects(api.call('GET', '/x', z.object({ Id: z.string() })), /answered GET \/x in an unknown way/);
});

test('does not wait for Docker for ever', async (t) => {
  const { api } = await apiOf(t, () => undefined);
  await assert.rejects(
    api.act('GET', '/info', { timeoutMs: 50 }),
    unreachable(/^Docker on VM1 does not answer \(GET \/info\): no answer within 0.05 s\.$/),
  );
  const signal = AbortSignal.timeout(20);
  await assert.rejects(api.act('GET', '/info', { signal }), (error) => error === signal.reason);
});

test('says why a machine’s Docker cannot be reached', async (t) => {
  const { api, connect } = await apiOf(t, (_, response) => response.end('{}'));
  connect.fail = Object.assign(new Error('connect EACCES /var/run/docker.sock'), { code: 'EACCES' });
  await assert.rejects(api.act('GET', '/info'), unreachable(/add it to the group docker/));
  connect.fail = new Error('connect ENOENT /var/run/docker.sock');
  await assert.rejects(api.act('GET', '/info'), unreachable(/does not answer \(.*\): connect ENOENT/));
  connect.fail = null;
  await api.act('GET', '/info');
});

test('streams what it sends and what it gets, and ends both with the signal', async (t) => {
  const got: string[] = [];
  const ended = Promise.withResolvers<void>();
  const { api } = await apiOf(t, async (request, response) => {
    if (request.url?.endsWith('/endless')) {
      response.on('close', () => ended.resolve());
      response.write('first');
      return;
    }
    got.push(await text(request as IncomingMessage));
    response.end('done');
  });
  const answer = await api.stream('POST', '/build', { body: Readable.from(['a', 'b']), timeoutMs: null });
  assert.equal(await text(answer), 'done');
  assert.deepEqual(got, ['ab']);
  const abort = new AbortController();
  const endless = await api.stream('GET', '/endless', { signal: abort.signal, timeoutMs: 100 });
  const reading = text(endless);
  abort.abort();
  await assert.rejects(reading);
  await ended.promise;
});

test('what fails while it is sent fails the call', async (t) => {
  const { api } = await apiOf(t, () => undefined);
  const body = Readable.from(
    (async function* () {
      yield 'a';
      throw new Error('the zip is damaged');
    })(),
  );
  await assert.rejects(api.stream('POST', '/build', { body, timeoutMs: null }), /the zip is damaged/);
});

test('an answer whose connection is lost in the middle fails with the reason of the loss', async (t) => {
  const { api, connect } = await apiOf(t, (_, response) => void response.write('the first part, '));
  const answer = await api.stream('POST', '/build');
  const lost = new Error('VM1 has not answered for 3.5 seconds');
  const pieces = answer[Symbol.asyncIterator]();
  assert.equal(String((await pieces.next()).value), 'the first part, ');
  connect.last?.destroy(lost);
  await assert.rejects(pieces.next(), lost);
});
