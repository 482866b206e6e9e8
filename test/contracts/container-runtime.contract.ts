import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { AvkError, ErrorCode } from '../../src/domain/errors.ts';
import { type HealthCheck, healthSchema, type Manifest, manifestSchema } from '../../src/domain/manifest.ts';
import type {
  ContainerInfo,
  ContainerRuntime,
  ContainerSpec,
  ImageSpec,
  LogLine,
} from '../../src/ports/container-runtime.ts';
import { eventually } from '../support/eventually.ts';
import { bundleOf } from '../support/zip.ts';
import { GREETERS } from './container-runtime.greeters.ts';

/** A runtime on a machine of its own, or as good as. */
export interface RuntimeHarness {
  runtime: ContainerRuntime;
  /** Another runtime over the same machine, as a platform that was started again would have it. */
  reopen: () => Promise<ContainerRuntime>;
  /** A port of the machine on which nothing listens. */
  freePort: () => Promise<number>;
  /** Listens on a port of the machine until closed. */
  occupyPort: (port: number) => Promise<{ close: () => Promise<void> }>;
  /** What an app behind this port of the machine must be told as `PORT`. */
  portInside: (hostPort: number, manifest: Manifest) => number;
  /** Ends the runtime and removes all that was made. */
  cleanup: () => Promise<void>;
}

export interface RuntimeContractOptions {
  create: () => Promise<RuntimeHarness>;
  /** Name of a test to the reason for which this adapter cannot pass it. */
  skip?: Record<string, string>;
}

const MAIN = `
const http = require('node:http');
if (process.env.STUBBORN) process.on('SIGTERM', () => console.log('ignored SIGTERM'));
else process.on('SIGTERM', () => { console.log('bye'); process.exit(0); });
http.createServer((request, response) => {
  const url = new URL(request.url, 'http://app');
  if (url.pathname === '/env') return response.end(JSON.stringify(process.env));
  if (url.pathname === '/print') { console.log(url.searchParams.get('line')); return response.end(); }
  if (url.pathname === '/exit') process.exit(Number(url.searchParams.get('code')));
  if (url.pathname === '/silent') return;
  if (url.pathname === '/moved') { response.writeHead(301, { location: '/health' }); return response.end(); }
  if (url.pathname === '/broken') { response.statusCode = 500; return response.end('x'.repeat(1e6)); }
  response.end(require('./lib/greeting.js') + ' ' + process.pid);
}).listen(Number(process.env.PORT), () => { console.log('listening'); console.error('and well'); });
`;

const FILES = {
  'app.json': '{"name":"probe","version":"1.0.0"}',
  'main.js': MAIN,
  'lib/greeting.js': "module.exports = 'hello';\n",
};

const manifest = manifestSchema.parse({ name: 'probe', version: '1.0.0', runtime: 'node', entry: 'main.js' });

const IMAGE = 'probe:1.0.0-0a1b2c3d';

/** What every ContainerRuntime promises; with apps of runtime `node` where the runtime makes no difference. */
export function containerRuntimeContract(name: string, options: RuntimeContractOptions): void {
  describe(`${name} keeps the ContainerRuntime contract`, () => {
    let harness: RuntimeHarness;
    let runtime: ContainerRuntime;
    let numbers = 0;

    beforeEach(async () => {
      harness = await options.create();
      runtime = harness.runtime;
    });
    afterEach(() => harness.cleanup());

    const check = (title: string, fn: () => Promise<void>): void => {
      const reason = options.skip?.[title];
      test(title, { skip: reason ?? false, timeout: 60_000 }, fn);
    };

    const never = (): AbortSignal => new AbortController().signal;
    const image = (changes: Partial<ImageSpec> = {}): ImageSpec => ({
      image: IMAGE,
      manifest,
      bundle: bundleOf(FILES),
      ...changes,
    });
    const ensure = (spec: ImageSpec = image(), signal = never()): Promise<void> =>
      runtime.ensureImage(spec, { signal, log: () => undefined });
    const container = async (changes: Partial<ContainerSpec> = {}): Promise<ContainerSpec> => {
      numbers += 1;
      const hostPort = changes.hostPort ?? (await harness.freePort());
      return {
        id: `replica-${process.pid}-${numbers}`,
        name: `probe-1_instance_${numbers}`,
        instance: 'probe-1',
        generation: 1,
        image: IMAGE,
        manifest,
        hostPort,
        resources: manifest.resources,
        ...changes,
        env: { PORT: String(harness.portInside(hostPort, manifest)), ...changes.env },
      };
    };
    const start = (spec: ContainerSpec, on = runtime): Promise<ContainerInfo> => on.start(spec, { signal: never() });
    const ready = async (changes: Partial<ContainerSpec> = {}) => {
      await ensure();
      const spec = await container(changes);
      const info = await start(spec);
      await answers(info);
      return { spec, info };
    };
    const answers = (info: ContainerInfo): Promise<string> => eventually(() => ask(info, '/'), { deadlineMs: 20_000 });
    const logs = async (id: string, tail = 1000): Promise<LogLine[]> => {
      const lines: LogLine[] = [];
      for await (const line of runtime.logs(id, { tail, follow: false, signal: never() })) lines.push(line);
      return lines;
    };
    const texts = async (id: string, tail?: number): Promise<string[]> =>
      (await logs(id, tail)).map(({ line }) => line);

    check('makes an image present, once', async () => {
      const bundle = bundleOf(FILES);
      assert.deepEqual(await runtime.listImages(), []);
      await ensure(image({ bundle }));
      await ensure(image({ bundle }));
      assert.equal(bundle.calls, 1);
      assert.deepEqual(await runtime.listImages(), [IMAGE]);
    });

    check('has no trouble while containers can be managed', async () => {
      const { spec } = await ready();
      assert.equal(runtime.trouble(), null);
      await runtime.remove(spec.id);
      assert.equal(runtime.trouble(), null);
    });

    check('shares the work of two calls for one image', async () => {
      const bundle = bundleOf(FILES);
      await Promise.all([ensure(image({ bundle })), ensure(image({ bundle })), ensure(image({ bundle }))]);
      assert.equal(bundle.calls, 1);
    });

    check('goes on with an image for the caller that did not give up', async () => {
      const gate = Promise.withResolvers<void>();
      const files = bundleOf(FILES);
      const bundle = async () => {
        await gate.promise;
        return files();
      };
      const impatient = new AbortController();
      const first = ensure(image({ bundle }), impatient.signal);
      const second = ensure(image({ bundle }));
      impatient.abort(new Error('no time'));
      await assert.rejects(first, /no time/);
      gate.resolve();
      await second;
      assert.deepEqual(await runtime.listImages(), [IMAGE]);
    });

    check('leaves no half image when the work is aborted', async () => {
      const endless = new PassThrough();
      endless.write('PK');
      const asked = Promise.withResolvers<void>();
      const bundle = async () => {
        asked.resolve();
        return endless;
      };
      const abort = new AbortController();
      const work = ensure(image({ bundle }), abort.signal);
      await asked.promise;
      abort.abort(new Error('changed my mind'));
      await assert.rejects(work, /changed my mind/);
      assert.deepEqual(await runtime.listImages(), []);
      await ensure();
      assert.deepEqual(await runtime.listImages(), [IMAGE]);
    });

    check('leaves no half image when the bundle cannot be read', async () => {
      const bundle = async () => {
        const stream = new PassThrough();
        stream.destroy(new Error('the store is gone'));
        return stream;
      };
      await assert.rejects(ensure(image({ bundle })));
      assert.deepEqual(await runtime.listImages(), []);
    });

    check('removes an image, unless a container uses it', async () => {
      await runtime.removeImage(IMAGE);
      const { spec } = await ready();
      await assert.rejects(runtime.removeImage(IMAGE), code('AVK_IMAGE_IN_USE'));
      await runtime.remove(spec.id);
      await runtime.removeImage(IMAGE);
      assert.deepEqual(await runtime.listImages(), []);
    });

    check('refuses to start without the image', async () => {
      await assert.rejects(start(await container()), code('AVK_IMAGE_MISSING'));
      assert.deepEqual(await runtime.list(), []);
    });

    check('refuses to start on a port that is taken', async () => {
      await ensure();
      const spec = await container();
      const other = await harness.occupyPort(spec.hostPort);
      try {
        await assert.rejects(start(spec), code('AVK_PORT_TAKEN'));
      } finally {
        await other.close();
      }
      await answers(await start(spec));
    });

    check('does not start when aborted before', async () => {
      await ensure();
      const signal = AbortSignal.abort(new Error('too late'));
      await assert.rejects(runtime.start(await container(), { signal }), /too late/);
      assert.deepEqual(await runtime.list(), []);
    });

    check('starts an app that answers at its address', async () => {
      const { spec, info } = await ready();
      assert.match(await ask(info, '/'), /^hello /);
      const { id, name, instance, generation, hostPort } = spec;
      const expected = { id, name, instance, generation, image: IMAGE, hostPort };
      for (const told of [info, await runtime.inspect(id), (await runtime.list())[0]]) {
        assert.partialDeepStrictEqual(told, { ...expected, state: 'running', exitCode: null, exitSignal: null });
        assert.equal(told?.containerId, info.containerId);
      }
    });

    check('tells an app what it is to be told, and nothing of the platform', async () => {
      process.env.CONTRACT_SECRET = 'of the platform';
      try {
        const { info } = await ready({ env: { THRESHOLD: '26 ° "$(id)"' } });
        const env = JSON.parse(await ask(info, '/env'));
        assert.equal(env.THRESHOLD, '26 ° "$(id)"');
        assert.equal(env.NODE_ENV, 'production');
        assert.equal(env.CONTRACT_SECRET, undefined);
      } finally {
        delete process.env.CONTRACT_SECRET;
      }
    });

    for (const { runtime: kind, entry, path, answer, files } of GREETERS) {
      check(`runs an app with runtime ${kind}, or refuses to build it`, async () => {
        const config = [{ key: 'GREETED' }];
        const its = manifestSchema.parse({ name: 'probe', version: '1.0.0', runtime: kind, entry, config });
        const building = ensure(image({ manifest: its, bundle: bundleOf({ ...files, 'app.json': '{}' }) }));
        if (!runtime.runtimes.includes(kind)) {
          await assert.rejects(building, code('AVK_RUNTIME_UNSUPPORTED'));
          assert.deepEqual(await runtime.listImages(), []);
          return;
        }
        await building;
        if (kind === 'dockerfile') return;
        const spec = await container({ manifest: its, env: { GREETED: 'world' } });
        const info = await start(spec);
        assert.match(await eventually(() => ask(info, path), { deadlineMs: 20_000 }), answer);
        await runtime.stop(spec.id, 10);
        assert.partialDeepStrictEqual(await runtime.inspect(spec.id), { state: 'exited', exitCode: 0 });
      });
    }

    check('adopts a container that runs already', async () => {
      const { spec, info } = await ready();
      const again = await start(spec);
      assert.equal(again.containerId, info.containerId);
      assert.equal(await ask(again, '/'), await ask(info, '/'));
      assert.equal((await runtime.list()).length, 1);
    });

    check('starts a container once for calls at the same time', async () => {
      await ensure();
      const spec = await container();
      const infos = await Promise.all([start(spec), start(spec), start(spec)]);
      assert.equal(new Set(infos.map((info) => info.containerId)).size, 1);
      assert.equal((await runtime.list()).length, 1);
    });

    check('starts a container of the same id again after it ended, with its logs', async () => {
      const { spec, info } = await ready();
      await ask(info, '/print?line=first');
      await runtime.stop(spec.id, 10);
      const again = await start(spec);
      await answers(again);
      assert.equal(again.state, 'running');
      await eventually(async () => (await texts(spec.id)).filter((line) => line === 'listening').length === 2);
      assert.ok((await texts(spec.id)).includes('first'));
    });

    check('replaces a container of the same name but another id', async () => {
      const { spec, info } = await ready();
      const next = { ...spec, id: `${spec.id}-next` };
      const replaced = await start(next);
      await answers(replaced);
      assert.notEqual(replaced.containerId, info.containerId);
      assert.equal(await runtime.inspect(spec.id), null);
      assert.deepEqual(
        (await runtime.list()).map(({ id }) => id),
        [next.id],
      );
    });

    check('finds its containers and images after the platform was started again', async () => {
      const { spec, info } = await ready();
      const ended = await container();
      await answers(await start(ended));
      await runtime.stop(ended.id, 10);
      const later = await harness.reopen();
      try {
        assert.deepEqual(await later.listImages(), [IMAGE]);
        const found = new Map((await later.list()).map((each) => [each.id, each]));
        assert.deepEqual([...found.keys()].sort(), [spec.id, ended.id].sort());
        assert.equal(found.get(ended.id)?.state, 'exited');
        assert.equal(found.get(ended.id)?.exitCode, 0);
        assert.deepEqual(found.get(spec.id), info);
        assert.equal((await start(spec, later)).containerId, info.containerId);
        await later.remove(spec.id);
        await assert.rejects(ask(info, '/'));
      } finally {
        await later.close();
      }
    });

    check('stops a container with SIGTERM and remembers how it ended', async () => {
      const { spec, info } = await ready();
      await runtime.stop(spec.id, 20);
      await assert.rejects(ask(info, '/'));
      assert.partialDeepStrictEqual(await runtime.inspect(spec.id), { state: 'exited', exitCode: 0, exitSignal: null });
      assert.ok((await texts(spec.id)).includes('bye'));
    });

    check('kills a container that does not stop in time', async () => {
      const { spec, info } = await ready({ env: { STUBBORN: '1' } });
      await runtime.stop(spec.id, 0.5);
      await assert.rejects(ask(info, '/'));
      assert.equal((await runtime.inspect(spec.id))?.state, 'exited');
      assert.ok((await texts(spec.id)).includes('ignored SIGTERM'));
    });

    check('takes it calmly when there is nothing to stop or remove', async () => {
      const { spec } = await ready();
      await runtime.stop(spec.id, 10);
      await runtime.stop(spec.id, 10);
      await runtime.remove(spec.id);
      await runtime.remove(spec.id);
      await runtime.stop(spec.id, 10);
      await runtime.stop('never-heard-of', 1);
      await runtime.remove('never-heard-of');
      assert.equal(await runtime.inspect(spec.id), null);
      assert.deepEqual(await logs(spec.id), []);
    });

    check('removes a running container with its logs', async () => {
      const { spec, info } = await ready();
      await runtime.remove(spec.id);
      await assert.rejects(ask(info, '/'));
      assert.deepEqual(await runtime.list(), []);
      await start(spec);
      await answers(info);
      await eventually(async () => (await texts(spec.id)).includes('listening'));
      assert.equal((await texts(spec.id)).filter((line) => line === 'listening').length, 1);
    });

    check('tells of a container that ended by itself, with its exit code', async () => {
      const { spec, info } = await ready();
      const told: ContainerInfo[] = [];
      runtime.onExit((each) => told.push(each));
      await ask(info, '/exit?code=7').catch(() => undefined);
      await eventually(() => told.length > 0);
      assert.equal(told.length, 1);
      assert.partialDeepStrictEqual(told[0], { id: spec.id, state: 'exited', exitCode: 7, exitSignal: null });
      assert.deepEqual(await runtime.inspect(spec.id), told[0]);
    });

    check('does not tell of a container that was stopped, nor to those who stopped listening', async () => {
      const stopped = await ready();
      const told: string[] = [];
      runtime.onExit(({ id }) => told.push(id));
      const deaf: string[] = [];
      const unsubscribe = runtime.onExit(({ id }) => deaf.push(id));
      unsubscribe();
      await runtime.stop(stopped.spec.id, 10);
      const ended = await ready();
      await ask(ended.info, '/exit?code=1').catch(() => undefined);
      await eventually(() => told.includes(ended.spec.id));
      assert.deepEqual(told, [ended.spec.id]);
      assert.deepEqual(deaf, []);
    });

    check('gives the last lines of both streams, oldest first', async () => {
      const { spec, info } = await ready();
      await eventually(async () => (await texts(spec.id)).includes('and well'));
      for (let number = 1; number <= 5; number += 1) await ask(info, `/print?line=line-${number}`);
      await eventually(async () => (await texts(spec.id)).includes('line-5'));
      assert.deepEqual(await texts(spec.id, 3), ['line-3', 'line-4', 'line-5']);
      assert.deepEqual(await texts(spec.id, 0), []);
      const all = await logs(spec.id);
      assert.equal(all.find(({ line }) => line === 'listening')?.stream, 'stdout');
      assert.equal(all.find(({ line }) => line === 'and well')?.stream, 'stderr');
      for (const line of all) {
        assert.equal(line.replica, spec.name);
        assert.equal(new Date(line.ts).toISOString().slice(0, 19), line.ts.slice(0, 19));
      }
      assert.deepEqual(
        all,
        all.toSorted((a, b) => Date.parse(a.ts) - Date.parse(b.ts)),
      );
    });

    check('follows logs until aborted', async () => {
      const { spec, info } = await ready();
      await eventually(async () => (await texts(spec.id)).includes('and well'));
      await ask(info, '/print?line=before');
      await eventually(async () => (await texts(spec.id)).includes('before'));
      const abort = new AbortController();
      const seen: string[] = [];
      const following = (async () => {
        for await (const { line } of runtime.logs(spec.id, { tail: 1, follow: true, signal: abort.signal }))
          seen.push(line);
      })();
      await eventually(() => seen.includes('before'));
      await ask(info, '/print?line=after');
      await eventually(() => seen.includes('after'));
      abort.abort();
      await following;
      assert.deepEqual(seen, ['before', 'after']);
    });

    check('follows logs until the container is removed', async () => {
      const { spec } = await ready();
      const seen: string[] = [];
      const following = (async () => {
        for await (const { line } of runtime.logs(spec.id, { tail: 9, follow: true, signal: never() })) seen.push(line);
      })();
      await eventually(() => seen.includes('listening'));
      await runtime.remove(spec.id);
      await following;
    });

    check('cuts lines that do not end and replaces what is not text', async () => {
      const files = {
        ...FILES,
        'main.js': `process.stdout.write('x'.repeat(1e6) + '\\n'); process.stdout.write(Buffer.from([0xff, 0x41, 0x0a]));${MAIN}`,
      };
      await ensure(image({ bundle: bundleOf(files) }));
      const spec = await container();
      await start(spec);
      await eventually(async () => (await texts(spec.id)).includes('listening'));
      const [long, odd] = (await logs(spec.id)).filter(({ stream }) => stream === 'stdout').map(({ line }) => line);
      assert.ok(long && long.length <= 17 * 1024 && /^x+/.test(long));
      assert.equal(odd, '\ufffdA');
    });

    check('checks the health of an app', async () => {
      const { info } = await ready();
      const at = (path: string): HealthCheck => healthSchema.parse({ path });
      const result = (path: string, timeoutMs = 10_000) => runtime.checkHealth(info.address, at(path), timeoutMs);
      assert.equal((await result('/health')).healthy, true);
      assert.deepEqual(await result('/broken'), { healthy: false, reason: 'health check got 500 at /broken' });
      assert.deepEqual(await result('/moved'), { healthy: false, reason: 'health check got 301 at /moved' });
      assert.deepEqual(await result('/silent', 200), {
        healthy: false,
        reason: 'health check at /silent did not answer within 0.2 s',
      });
      assert.equal((await runtime.checkHealth(info.address, null, 10_000)).healthy, true);
    });

    check('reports that nothing listens', async () => {
      const { spec, info } = await ready();
      await runtime.stop(spec.id, 10);
      const { port } = info.address;
      const expected = { healthy: false, reason: `nothing listens on port ${port}` };
      assert.deepEqual(await runtime.checkHealth(info.address, null, 10_000), expected);
      assert.deepEqual(await runtime.checkHealth(info.address, healthSchema.parse({ path: '/' }), 10_000), expected);
    });
  });
}

/** The body of the answer; fails when there is none or it is an error. */
async function ask(info: ContainerInfo, path: string): Promise<string> {
  const response = await fetch(`http://${info.address.ip}:${info.address.port}${path}`, {
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(10_000),
  });
  const body = await response.text();
  assert.ok(response.ok, `${path} answered ${response.status}`);
  return body;
}

function code(expected: ErrorCode): (error: AvkError) => boolean {
  return (error) => {
    assert.equal(error.code, expected, error.stack);
    return true;
  };
}

/** For harnesses on this machine. */
export async function localFreePort(): Promise<number> {
  const { port, close } = await localListener(0);
  await close();
  return port;
}

/** For harnesses on this machine; port 0 takes any. */
export async function localListener(port: number): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
