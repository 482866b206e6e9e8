import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import fastify, { type FastifyInstance } from 'fastify';
import { LinesRefused, type ServiceRequest, type ServiceTransport } from '../../src/ports/service-transport.ts';
import { eventually } from '../support/eventually.ts';

export interface ServiceTransportLab {
  transport: ServiceTransport;
  /** Makes the app reachable as that service. */
  add(service: string, app: FastifyInstance): Promise<void>;
  /** Makes it unreachable. */
  remove(service: string): Promise<void>;
  cleanup(): Promise<void>;
}

const SERVICE = 'node-manager';

/** What every ServiceTransport does. `skip`: names of tests with the reason why this adapter cannot pass them. */
export function serviceTransportContract(
  name: string,
  options: { create: () => Promise<ServiceTransportLab>; skip?: Record<string, string> },
): void {
  const generous = { deadlineMs: Number(process.env.AVISHKAR_TEST_DEADLINE_MS ?? 10_000) };
  describe(`ServiceTransport: ${name}`, () => {
    let lab: ServiceTransportLab;
    let app: FastifyInstance;
    /** The streams that `/stream` answers with, newest last. */
    const streams: PassThrough[] = [];
    let asked = 0;

    before(async () => {
      lab = await options.create();
      app = fastify({ forceCloseConnections: true });
      app.all('/echo', async (request, reply) => {
        const { method, url, headers, body } = request;
        reply.status(201).header('x-answer', 'yes');
        return { method, url, authorization: headers.authorization, body };
      });
      app.get('/conflict', async (_request, reply) => reply.status(409).send({ code: 'AVK_CONFLICT' }));
      app.get('/text', async (_request, reply) => reply.type('text/plain').send('10.0.0.1:20000'));
      app.get('/never', () => {
        asked += 1;
        return new Promise(() => undefined);
      });
      app.get('/stream', (_request, reply) => {
        const stream = new PassThrough();
        streams.push(stream);
        reply.raw.on('close', () => stream.destroy());
        return reply.type('application/x-ndjson').send(stream);
      });
      await lab.add(SERVICE, app);
    });
    after(async () => {
      for (const stream of streams) stream.destroy();
      await app.close();
      await lab.cleanup();
    });

    const check = (title: string, fn: (transport: ServiceTransport) => Promise<void>): void => {
      test(title, { skip: options.skip?.[title] ?? false }, () => fn(lab.transport));
    };
    const get = (path: string): ServiceRequest => ({ method: 'GET', path, headers: {} });

    /** Reads lines in the background. */
    function follow(transport: ServiceTransport, signal: AbortSignal) {
      const lines: string[] = [];
      const reading = (async () => {
        for await (const line of transport.lines(SERVICE, get('/stream'), { signal })) lines.push(line);
      })();
      // Whoever wants its failure awaits it.
      reading.catch(() => undefined);
      return { lines, reading };
    }

    /** The stream of the request that was just made. */
    async function newStream(before: number): Promise<PassThrough> {
      return eventually(() => streams[before], generous);
    }

    check('carries method, path, headers and body there, and status, headers and body back', async (transport) => {
      const request: ServiceRequest = {
        method: 'POST',
        path: '/echo?appName=x%20y',
        headers: { authorization: 'Bearer t', 'content-type': 'application/json' },
        body: JSON.stringify({ text: 'übung ✓' }),
      };
      const response = await transport.call(SERVICE, request, { deadlineMs: 10_000 });
      assert.equal(response.status, 201);
      assert.equal(response.headers['x-answer'], 'yes');
      assert.match(response.headers['content-type'] ?? '', /json/);
      assert.deepEqual(JSON.parse(response.body), {
        method: 'POST',
        url: '/echo?appName=x%20y',
        authorization: 'Bearer t',
        body: { text: 'übung ✓' },
      });
    });

    check('carries every method', async (transport) => {
      for (const method of ['GET', 'POST', 'DELETE', 'PATCH', 'PUT'] as const) {
        const response = await transport.call(
          SERVICE,
          { method, path: '/echo', headers: {} },
          {
            deadlineMs: 10_000,
          },
        );
        assert.equal((JSON.parse(response.body) as { method: string }).method, method);
      }
    });

    check('gives texts and errors of the service as they are', async (transport) => {
      assert.equal((await transport.call(SERVICE, get('/text'), { deadlineMs: 10_000 })).body, '10.0.0.1:20000');
      const refused = await transport.call(SERVICE, get('/conflict'), { deadlineMs: 10_000 });
      assert.deepEqual([refused.status, JSON.parse(refused.body)], [409, { code: 'AVK_CONFLICT' }]);
      assert.equal((await transport.call(SERVICE, get('/nowhere'), { deadlineMs: 10_000 })).status, 404);
    });

    check('carries many calls at once', async (transport) => {
      const calls = Array.from({ length: 50 }, (_, number) =>
        transport.call(SERVICE, get(`/echo?n=${number}`), { deadlineMs: 10_000 }),
      );
      const urls = (await Promise.all(calls)).map(({ body }) => (JSON.parse(body) as { url: string }).url);
      assert.deepEqual(
        urls,
        calls.map((_, number) => `/echo?n=${number}`),
      );
    });

    check('gives up at the deadline', async (transport) => {
      await assert.rejects(transport.call(SERVICE, get('/never'), { deadlineMs: 50 }), {
        code: 'AVK_DEADLINE',
        message: /node-manager/,
      });
      await assert.rejects(transport.call(SERVICE, get('/stream'), { deadlineMs: 50 }), { code: 'AVK_DEADLINE' });
    });

    check('gives up when the caller does, with the reason', async (transport) => {
      const controller = new AbortController();
      const before = asked;
      const options = { deadlineMs: 60_000, signal: controller.signal };
      const call = transport.call(SERVICE, get('/never'), options);
      const reason = new Error('not needed any more');
      const refused = assert.rejects(call, (error) => error === reason);
      await eventually(() => asked > before, generous);
      controller.abort(reason);
      await refused;
      await assert.rejects(transport.call(SERVICE, get('/echo'), options), (error) => error === reason);
    });

    check('says that a service is not there', async (transport) => {
      const unavailable = { code: 'AVK_SERVICE_UNAVAILABLE', message: /sensor-manager/ };
      await assert.rejects(transport.call('sensor-manager', get('/echo'), { deadlineMs: 10_000 }), unavailable);
      const lines = transport.lines('sensor-manager', get('/stream'), { signal: new AbortController().signal });
      await assert.rejects(async () => {
        for await (const line of lines) assert.fail(line);
      }, unavailable);
    });

    check('finds a service that came back, and not one that went', async (transport) => {
      await lab.remove(SERVICE);
      const call = (): Promise<unknown> => transport.call(SERVICE, get('/echo'), { deadlineMs: 10_000 });
      await assert.rejects(call(), { code: 'AVK_SERVICE_UNAVAILABLE' });
      await lab.add(SERVICE, app);
      await call();
    });

    check('gives lines as they come, whole, whatever pieces they came in', async (transport) => {
      const before = streams.length;
      const { lines, reading } = follow(transport, new AbortController().signal);
      const stream = await newStream(before);
      stream.write('{"n":1}\n');
      await eventually(() => lines.length === 1, generous);
      stream.write('{"n":');
      stream.write('2}\n{"n":3}\n');
      await eventually(() => lines.length === 3, generous);
      const accented = Buffer.from('"é✓"\n');
      for (const byte of accented) {
        stream.write(Buffer.from([byte]));
        // One at a time also on the other side.
        await new Promise(setImmediate);
      }
      stream.end('last');
      await reading;
      assert.deepEqual(lines, ['{"n":1}', '{"n":2}', '{"n":3}', '"é✓"', 'last']);
    });

    check('ends the lines when the caller has enough, and tells the service', async (transport) => {
      const before = streams.length;
      const controller = new AbortController();
      const { lines, reading } = follow(transport, controller.signal);
      const stream = await newStream(before);
      stream.write('one\n');
      await eventually(() => lines.length === 1, generous);
      controller.abort(new Error('enough'));
      await reading;
      assert.deepEqual(lines, ['one']);
      await eventually(() => stream.destroyed, generous);
    });

    check('ends at once when the caller had enough before', async (transport) => {
      const controller = new AbortController();
      controller.abort(new Error('enough'));
      const { lines, reading } = follow(transport, controller.signal);
      await reading;
      assert.deepEqual(lines, []);
    });

    check('lets go of the service when the caller leaves the loop', async (transport) => {
      const before = streams.length;
      const reading = (async () => {
        const signal = new AbortController().signal;
        for await (const line of transport.lines(SERVICE, get('/stream'), { signal })) return line;
        return null;
      })();
      const stream = await newStream(before);
      stream.write('one\ntwo\n');
      assert.equal(await reading, 'one');
      await eventually(() => stream.destroyed, generous);
    });

    check('fails when the lines break off', async (transport) => {
      const before = streams.length;
      const { reading } = follow(transport, new AbortController().signal);
      const stream = await newStream(before);
      stream.write('one\n');
      stream.destroy(new Error('the service broke'));
      await assert.rejects(reading);
    });

    check('gives the answer of a service that refuses lines', async (transport) => {
      const refused = transport.lines(SERVICE, get('/conflict'), { signal: new AbortController().signal });
      await assert.rejects(
        async () => {
          for await (const line of refused) assert.fail(line);
        },
        (error) => {
          assert.ok(error instanceof LinesRefused, String(error));
          const { status, headers, body } = error.response;
          assert.deepEqual([status, JSON.parse(body)], [409, { code: 'AVK_CONFLICT' }]);
          assert.match(headers['content-type'] ?? '', /json/);
          return true;
        },
      );
    });
  });
}
