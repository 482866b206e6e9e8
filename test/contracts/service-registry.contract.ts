import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { RegistryEntry, RegistrySession, ServiceRegistry } from '../../src/ports/service-registry.ts';
import { eventually } from '../support/eventually.ts';

export interface ServiceRegistryLab {
  registry: ServiceRegistry;
  /** Another process's view of the same registry. `kill` ends it without a word to anybody, as a crash would. */
  another(): Promise<{ registry: ServiceRegistry; kill(): Promise<void> }>;
  cleanup(): Promise<void>;
}

/** What every ServiceRegistry does. `skip`: names of tests with the reason why this adapter cannot pass them. */
export function serviceRegistryContract(
  name: string,
  options: { create: () => Promise<ServiceRegistryLab>; skip?: Record<string, string> },
): void {
  // Sessions of a network engine take their time to end; nothing waits for so long unless it fails.
  const generous = { deadlineMs: Number(process.env.AVISHKAR_TEST_DEADLINE_MS ?? 30_000) };
  describe(`ServiceRegistry: ${name}`, () => {
    let lab: ServiceRegistryLab;
    before(async () => {
      lab = await options.create();
    });
    after(() => lab.cleanup());

    interface Scene {
      registry: ServiceRegistry;
      /** Names with this in front are the test's own. */
      own: string;
      entry(name: string, port?: number, kind?: RegistryEntry['kind']): RegistryEntry;
      session(owner: string, registry?: ServiceRegistry): Promise<RegistrySession>;
      /** What the test registered, by any view. */
      list(registry?: ServiceRegistry, kind?: RegistryEntry['kind']): Promise<string[]>;
    }

    const check = (title: string, fn: (scene: Scene) => Promise<void>): void => {
      test(title, { skip: options.skip?.[title] ?? false }, async () => {
        const own = `t${randomUUID().slice(0, 8)}-`;
        const sessions: RegistrySession[] = [];
        try {
          await fn({
            registry: lab.registry,
            own,
            entry: (label, port = 1, kind = 'service') => ({
              name: own + label,
              kind,
              address: { ip: '10.0.0.1', port },
              direct: [
                { ip: '10.0.0.2', port },
                { ip: '10.0.0.3', port },
              ],
            }),
            async session(owner, registry = lab.registry) {
              const session = await registry.session(own + owner);
              if (registry === lab.registry) sessions.push(session);
              return session;
            },
            async list(registry = lab.registry, kind) {
              const entries = await registry.list(kind);
              return entries.flatMap((entry) => (entry.name.startsWith(own) ? [entry.name.slice(own.length)] : []));
            },
          });
        } finally {
          for (const session of sessions) await session.close();
        }
      });
    };

    check('lists and gets what was registered', async ({ registry, entry, session, list, own }) => {
      const one = await session('one');
      await one.register(entry('b', 1));
      await one.register(entry('a', 2, 'app'));
      const other = await session('other');
      await other.register(entry('c', 3));
      assert.deepEqual((await list()).sort(), ['a', 'b', 'c']);
      assert.deepEqual(await list(registry, 'app'), ['a']);
      assert.deepEqual((await list(registry, 'service')).sort(), ['b', 'c']);
      assert.deepEqual(await registry.get(`${own}b`), entry('b', 1));
      assert.equal(await registry.get(`${own}nothing`), null);
    });

    check('replaces an entry and removes it', async ({ registry, entry, session, own }) => {
      const one = await session('one');
      await one.register(entry('a', 1));
      await one.register(entry('a', 2));
      assert.deepEqual(await registry.get(`${own}a`), entry('a', 2));
      await one.unregister(`${own}a`);
      await one.unregister(`${own}a`);
      assert.equal(await registry.get(`${own}a`), null);
    });

    check('shows the entries of other processes', async ({ entry, session, list }) => {
      const there = await lab.another();
      try {
        const far = await session('far', there.registry);
        await far.register(entry('a'));
        assert.deepEqual(await list(), ['a']);
        const near = await session('near');
        await near.register(entry('b'));
        assert.deepEqual((await list(there.registry)).sort(), ['a', 'b']);
        await far.close();
        assert.deepEqual(await list(), ['b']);
      } finally {
        await there.kill();
      }
    });

    check(
      'tells watchers of what is and of each change, until they stop',
      async ({ registry, entry, session, own }) => {
        const seen: string[][] = [];
        const note = (entries: RegistryEntry[]): void => {
          seen.push(entries.flatMap((one) => (one.name.startsWith(own) ? [one.name.slice(own.length)] : [])).sort());
        };
        const one = await session('one');
        await one.register(entry('a'));
        const stop = await registry.watch(note);
        await eventually(() => seen.length > 0, generous);
        assert.deepEqual(seen[0], ['a']);
        await one.register(entry('b'));
        await eventually(() => seen.at(-1)?.join() === 'a,b', generous);
        await one.unregister(`${own}a`);
        await eventually(() => seen.at(-1)?.join() === 'b', generous);
        await one.close();
        await eventually(() => seen.at(-1)?.length === 0, generous);
        stop();
        const before = seen.length;
        const other = await session('other');
        await other.register(entry('c'));
        const again: string[] = [];
        const stopAgain = await registry.watch((entries) => again.push(...entries.map((two) => two.name)));
        await eventually(() => again.includes(`${own}c`), generous);
        stopAgain();
        assert.equal(seen.length, before);
      },
    );

    check(
      'tells each watcher of a change by another process, whenever it began',
      async ({ registry, entry, session, own }) => {
        const there = await lab.another();
        const seen: [string[], string[]] = [[], []];
        const watch = (index: 0 | 1): Promise<() => void> =>
          registry.watch((entries) => {
            seen[index] = entries.map((one) => one.name);
          });
        const stops = [await watch(0)];
        try {
          const far = await session('far', there.registry);
          await far.register(entry('a'));
          // Shows the news before the first watcher may have heard of it.
          stops.push(await watch(1));
          await eventually(() => seen.every((names) => names.includes(`${own}a`)), generous);
        } finally {
          for (const stop of stops) stop();
          await there.kill();
        }
      },
    );

    check('drops the entries of a session that is closed, and only those', async ({ entry, session, list }) => {
      const one = await session('one');
      const other = await session('other');
      await one.register(entry('a'));
      await one.register(entry('b'));
      await other.register(entry('c'));
      await one.close();
      await one.close();
      assert.deepEqual(await list(), ['c']);
    });

    check('drops the entries of a dead owner, and tells watchers', async ({ registry, entry, session, list, own }) => {
      const there = await lab.another();
      const far = await session('far', there.registry);
      await far.register(entry('a'));
      const near = await session('near');
      await near.register(entry('b'));
      let shown: string[] = [];
      const stop = await registry.watch((entries) => {
        shown = entries.map((one) => one.name);
      });
      await eventually(() => shown.includes(`${own}a`), generous);
      await there.kill();
      await eventually(async () => (await list()).join() === 'b', generous);
      await eventually(() => !shown.includes(`${own}a`), generous);
      assert.equal(await registry.get(`${own}a`), null);
      stop();
    });

    check('keeps the entries of a living owner for as long as it lives', async ({ entry, session, list }) => {
      const there = await lab.another();
      const dying = await session('dying', there.registry);
      const one = await session('one');
      await one.register(entry('a'));
      await dying.register(entry('clock'));
      await there.kill();
      // A lease is over once the dead one's entry is gone; the living one was renewed meanwhile.
      await eventually(async () => !(await list()).includes('clock'), generous);
      assert.deepEqual(await list(), ['a']);
    });

    check('ends the older session of an owner when it begins a newer one', async ({ entry, session, list }) => {
      const older = await session('one');
      await older.register(entry('a'));
      const newer = await session('one');
      assert.deepEqual(await list(), []);
      await assert.rejects(older.register(entry('b')), { code: 'AVK_EPOCH_LOST' });
      await newer.register(entry('c'));
      await older.close();
      assert.deepEqual(await list(), ['c']);
    });

    check('ends the older session also when it is of another process', async ({ entry, session, list }) => {
      const there = await lab.another();
      try {
        const older = await session('one', there.registry);
        await older.register(entry('a'));
        const newer = await session('one');
        await newer.register(entry('b'));
        await assert.rejects(older.register(entry('c')), { code: 'AVK_EPOCH_LOST' });
        await older.close();
        assert.deepEqual(await list(), ['b']);
      } finally {
        await there.kill();
      }
    });

    check('gives a name to whoever registered it last', async ({ registry, entry, session, own }) => {
      const first = await session('first');
      const second = await session('second');
      await first.register(entry('a', 1));
      await second.register(entry('a', 2));
      assert.equal((await registry.get(`${own}a`))?.address.port, 2);
      await first.unregister(`${own}a`);
      await first.close();
      assert.equal((await registry.get(`${own}a`))?.address.port, 2, 'the one before cannot take it away');
      await second.close();
      assert.equal(await registry.get(`${own}a`), null);
    });
  });
}
