import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { AvkError } from '../../src/domain/errors.ts';
import type { CommandResult, Host, HostSample } from '../../src/ports/host.ts';
import { eventually } from '../support/eventually.ts';

/** A machine to test on. */
export interface HostHarness {
  host: Host;
  /** An empty folder on the machine. */
  folder: string;
  /** Listens on some TCP port of the machine until closed. */
  listen: () => Promise<{ port: number; close: () => Promise<void> }>;
  /** Removes all that was made. */
  cleanup: () => Promise<void>;
}

export interface HostContractOptions {
  create: () => Promise<HostHarness>;
  /** Name of a test to the reason for which this adapter cannot pass it. */
  skip?: Record<string, string>;
}

/** What every Host promises. The machine needs a POSIX shell, cat, seq, stat, ls and sleep. */
export function hostContract(name: string, options: HostContractOptions): void {
  describe(`${name} keeps the Host contract`, () => {
    let harness: HostHarness;
    let host: Host;
    let folder: string;

    beforeEach(async () => {
      harness = await options.create();
      ({ host, folder } = harness);
    });
    afterEach(() => harness.cleanup());

    const check = (title: string, fn: () => Promise<void>): void => {
      const reason = options.skip?.[title];
      test(title, { skip: reason ?? false, timeout: 60_000 }, fn);
    };
    const never = (): AbortSignal => new AbortController().signal;
    const run = (...argv: [string, ...string[]]): Promise<CommandResult> => host.run(argv, { signal: never() });
    const put = (path: string, data: Uint8Array | string, mode?: number): Promise<void> =>
      host.putFile(path, data, { signal: never(), ...(mode === undefined ? {} : { mode }) });
    const read = async (path: string): Promise<string> => (await run('cat', path)).stdout;

    check('runs a program and tells how it ended', async () => {
      const result = await run('sh', '-c', 'echo out; echo err >&2; exit 3');
      assert.deepEqual(result, { exitCode: 3, stdout: 'out\n', stderr: 'err\n' });
    });

    check('hands arguments over as they are', async () => {
      const odd = ['a b', '$(id)', '`id`', '"', "it's", '*', '~', '', 'line\nbreak', ';exit 9', '-x', 'ä'];
      const result = await run('sh', '-c', 'for each in "$@"; do printf "[%s]" "$each"; done', 'sh', ...odd);
      assert.deepEqual(result, { exitCode: 0, stdout: odd.map((each) => `[${each}]`).join(''), stderr: '' });
    });

    check('gives a program its input, and an empty one without', async () => {
      const result = await host.run(['cat'], { signal: never(), stdin: 'zwei\nLinien ä' });
      assert.equal(result.stdout, 'zwei\nLinien ä');
      assert.equal((await run('cat')).stdout, '');
    });

    check('does not mind a program that does not read its input', async () => {
      const result = await host.run(['sh', '-c', 'exit 0'], { signal: never(), stdin: 'x'.repeat(1_000_000) });
      assert.equal(result.exitCode, 0);
    });

    check('keeps all of a long output', async () => {
      const { stdout } = await run('seq', '1', '200000');
      assert.equal(stdout.split('\n').length, 200_001);
      assert.ok(stdout.endsWith('199999\n200000\n'));
    });

    check('connects to a port of the machine, and says when nothing listens there', async () => {
      const { port, close } = await harness.listen();
      const connection = await host.connect({ ip: '127.0.0.1', port }, { signal: never() });
      connection.on('error', () => undefined).destroy();
      await close();
      await assert.rejects(host.connect({ ip: '127.0.0.1', port }, { signal: never() }), { code: 'ECONNREFUSED' });
      await assert.rejects(host.connect({ socket: `${folder}/none.sock` }, { signal: never() }));
      await assert.rejects(
        host.connect({ ip: '127.0.0.1', port }, { signal: AbortSignal.abort(new Error('too late')) }),
        /too late/,
      );
    });

    check('runs programs at the same time', async () => {
      const results = await Promise.all(Array.from({ length: 12 }, (_, index) => run('sh', '-c', `echo ${index}`)));
      assert.deepEqual(
        results.map(({ stdout }) => stdout),
        results.map((_, index) => `${index}\n`),
      );
    });

    check('says that a program is not there', async () => {
      await assert.rejects(run('no-such-program-4711'), (error: AvkError) => error.code === 'AVK_COMMAND_NOT_FOUND');
    });

    check('ends a program and what it started when aborted', async () => {
      const abort = new AbortController();
      const pids = `${folder}/pids`;
      await put(
        `${folder}/script`,
        `sleep 600 & echo $! > ${pids}; trap '' TERM; sh -c 'echo $$ >> ${pids}; exec sleep 600'; wait`,
      );
      const work = host.run(['sh', `${folder}/script`], { signal: abort.signal });
      work.catch(() => undefined);
      const started = await eventually(async () => {
        const lines = (await read(pids)).trim().split('\n').filter(Boolean);
        return lines.length === 2 && lines;
      });
      abort.abort(new Error('no longer wanted'));
      await assert.rejects(work, /no longer wanted/);
      await eventually(async () => {
        const { stdout } = await run(
          'sh',
          '-c',
          'for each in "$@"; do kill -0 "$each" 2>/dev/null && grep -s State /proc/$each/status; done; true',
          'sh',
          ...started,
        );
        return !/State:\s+[^ZX]/.test(stdout);
      });
    });

    check('does not run a program when aborted before', async () => {
      const signal = AbortSignal.abort(new Error('too late'));
      await assert.rejects(host.run(['touch', `${folder}/touched`], { signal }), /too late/);
      assert.equal((await run('ls', folder)).stdout, '');
    });

    check('puts a file, with its folders and its mode', async () => {
      const path = `${folder}/a/b c/file.txt`;
      await put(path, 'grüße\n', 0o640);
      assert.equal(await read(path), 'grüße\n');
      assert.equal((await run('stat', '-c', '%a', path)).stdout, '640\n');
      await put(path, new Uint8Array([0x68, 0x69]), 0o755);
      assert.equal(await read(path), 'hi');
      assert.equal((await run('stat', '-c', '%a', path)).stdout, '755\n');
      assert.equal((await run('ls', '-A', `${folder}/a/b c`)).stdout, 'file.txt\n');
    });

    check('puts a file in one step', async () => {
      const path = `${folder}/file`;
      await put(path, 'a'.repeat(300_000));
      let done = false;
      const writing = (async () => {
        for (const letter of 'bcdefgh') await put(path, letter.repeat(300_000));
      })().finally(() => {
        done = true;
      });
      while (!done) assert.match(await read(path), /^(.)\1{299999}$/);
      await writing;
    });

    check('puts nothing when aborted before', async () => {
      const signal = AbortSignal.abort(new Error('too late'));
      await assert.rejects(host.putFile(`${folder}/file`, 'x', { signal }), /too late/);
      assert.equal((await run('ls', '-A', folder)).stdout, '');
    });

    check('sends samples until aborted', async () => {
      const abort = new AbortController();
      const samples: HostSample[] = [];
      for await (const sample of host.probe({ everyMs: 100, signal: abort.signal })) {
        samples.push(sample);
        if (samples.length === 3) abort.abort();
        assert.ok(samples.length <= 3, 'no sample comes after the abort');
      }
      assert.equal(samples.length, 3);
      for (const sample of samples) {
        for (const share of [sample.cpuPercent, sample.memoryPercent, sample.diskPercent]) {
          assert.ok(share >= 0 && share <= 100, JSON.stringify(sample));
        }
        assert.ok(sample.cores >= 1 && sample.memoryBytes > 0 && sample.memoryPercent > 0);
        assert.ok(Array.isArray(sample.replicas));
      }
      const times = samples.map(({ at }) => at);
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      );
    });

    check('sees that the machine works', async () => {
      const abort = new AbortController();
      const work = host.run(['sh', '-c', 'while :; do :; done'], { signal: abort.signal });
      work.catch(() => undefined);
      let samples = 0;
      for await (const sample of host.probe({ everyMs: 200, signal: abort.signal })) {
        samples += 1;
        if (sample.cpuPercent > 10 || samples > 50) break;
      }
      abort.abort(new Error('enough'));
      await assert.rejects(work, /enough/);
      assert.ok(samples <= 50, 'a busy loop never showed');
    });

    check('knows which ports are free', async () => {
      const listener = await harness.listen();
      assert.equal(await host.portFree(listener.port), false);
      await listener.close();
      assert.equal(await eventually(() => host.portFree(listener.port)), true);
    });
  });
}
