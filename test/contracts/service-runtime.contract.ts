import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AvkError } from '../../src/domain/errors.ts';
import { entryOf } from '../../src/domain/service-entry.ts';
import type { ServiceRuntime } from '../../src/ports/service-runtime.ts';

export interface ServiceRuntimeLab {
  runtime: ServiceRuntime;
  /** Ends the service `echo` behind the runtime's back. */
  kill(): Promise<void>;
  /** How often `echo` was begun. */
  begun(): number;
  /** Whether a caller reaches `echo` at its address. */
  reaches(address: { ip: string; port: number }): Promise<boolean>;
  close(): Promise<void>;
}

/** What every runtime of the platform's services promises. The lab has one service, `echo`. */
export function serviceRuntimeContract(open: () => Promise<ServiceRuntimeLab>): void {
  const node = { name: 'node1', address: '127.0.0.1' };
  const entry = entryOf('Echo', 'echo', 18_999);
  const { signal } = new AbortController();

  async function inLab(work: (lab: ServiceRuntimeLab) => Promise<void>): Promise<void> {
    const lab = await open();
    try {
      await work(lab);
    } finally {
      await lab.close();
    }
  }

  test('a service that was started runs and can be called', () =>
    inLab(async ({ runtime, reaches }) => {
      assert.equal(await runtime.inspect('echo'), null);
      const container = await runtime.start(entry, node, { signal });
      assert.deepEqual([container.name, container.state, container.reason], ['echo', 'running', null]);
      assert.ok(await reaches(container.address));
      assert.deepEqual(await runtime.inspect('echo'), container);
    }));

  test('starting again what runs adopts it, also when both come at once', () =>
    inLab(async ({ runtime, begun }) => {
      const [first, second] = await Promise.all([
        runtime.start(entry, node, { signal }),
        runtime.start(entry, node, { signal }),
      ]);
      assert.equal(first.containerId, second.containerId);
      assert.equal((await runtime.start(entry, node, { signal })).containerId, first.containerId);
      assert.equal(begun(), 1);
    }));

  test('stopping ends it, and is harmless when it does not run', () =>
    inLab(async ({ runtime, reaches }) => {
      await runtime.stop('echo');
      const { address } = await runtime.start(entry, node, { signal });
      await Promise.all([runtime.stop('echo'), runtime.stop('echo')]);
      assert.equal(await reaches(address), false);
      assert.equal(await runtime.inspect('echo'), null);
    }));

  test('a stopped service can be started again, as another run', () =>
    inLab(async ({ runtime, reaches, begun }) => {
      const first = await runtime.start(entry, node, { signal });
      await runtime.stop('echo');
      const second = await runtime.start(entry, node, { signal });
      assert.notEqual(second.containerId, first.containerId);
      assert.ok(await reaches(second.address));
      assert.equal(begun(), 2);
    }));

  test('a service that died is seen to be dead, with a reason, and can be started again', () =>
    inLab(async ({ runtime, kill, reaches }) => {
      const first = await runtime.start(entry, node, { signal });
      await kill();
      const dead = await runtime.inspect('echo');
      assert.equal(dead?.state, 'exited');
      assert.ok(dead?.reason);
      const second = await runtime.start(entry, node, { signal });
      assert.notEqual(second.containerId, first.containerId);
      assert.ok(await reaches(second.address));
    }));

  test('a service that it does not have is refused by name', () =>
    inLab(async ({ runtime }) => {
      await assert.rejects(runtime.start(entryOf('Nobody', 'nobody', 18_998), node, { signal }), (error) => {
        assert.ok(error instanceof AvkError);
        assert.equal(error.code, 'AVK_BAD_CONFIG');
        assert.match(error.message, /nobody/);
        return true;
      });
    }));
}
