import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import type { BlobStore } from '../../src/ports/blob-store.ts';

export interface BlobStoreLab {
  store: BlobStore;
  /** Changes one stored byte behind the store's back. Absent where a test cannot. */
  corrupt?: (container: string, key: string) => Promise<void>;
  cleanup: () => Promise<void>;
}

const CONTAINER = 'baseapps';
const OTHER = 'deployedapps';

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** What every BlobStore does. `skip`: names of tests with the reason why this adapter cannot pass them. */
export function blobStoreContract(
  name: string,
  options: { create: () => Promise<BlobStoreLab>; skip?: Record<string, string> },
): void {
  describe(`BlobStore: ${name}`, () => {
    let lab: BlobStoreLab;
    let count = 0;
    /** Keys of a test's own, so that tests do not see one another's. */
    const fresh = (): string => `t${++count}`;
    const check = (title: string, fn: (store: BlobStore) => Promise<void>): void => {
      test(title, { skip: options.skip?.[title] ?? false }, () => fn(lab.store));
    };
    before(async () => {
      lab = await options.create();
    });
    after(() => lab.cleanup());

    check('gives back the bytes that were put, with length and checksum', async (store) => {
      const data = randomBytes(300_000);
      const key = `${fresh()}/app-1.0.0.zip`;
      const expected = { key, sizeBytes: data.length, sha256: sha256(data) };
      assert.deepEqual(await store.put(CONTAINER, key, data), expected);
      assert.deepEqual(await buffer(await store.get(CONTAINER, key)), data);
      assert.deepEqual(await store.head(CONTAINER, key), expected);
    });

    check('takes a stream', async (store) => {
      const chunks = Array.from({ length: 50 }, () => randomBytes(10_000));
      const key = fresh();
      const info = await store.put(CONTAINER, key, Readable.from(chunks));
      assert.equal(info.sha256, sha256(Buffer.concat(chunks)));
      assert.deepEqual(await buffer(await store.get(CONTAINER, key)), Buffer.concat(chunks));
    });

    check('keeps an empty blob', async (store) => {
      const key = fresh();
      assert.equal((await store.put(CONTAINER, key, new Uint8Array())).sizeBytes, 0);
      assert.equal((await buffer(await store.get(CONTAINER, key))).length, 0);
      assert.equal((await store.head(CONTAINER, key))?.sizeBytes, 0);
    });

    check('says that there is no such blob', async (store) => {
      const key = fresh();
      await assert.rejects(store.get(CONTAINER, key), { code: 'AVK_BLOB_NOT_FOUND' });
      await assert.rejects(store.copy({ container: CONTAINER, key }, { container: OTHER, key }), {
        code: 'AVK_BLOB_NOT_FOUND',
      });
      assert.equal(await store.head(CONTAINER, key), null);
      assert.equal(await store.head(OTHER, key), null);
    });

    check('replaces', async (store) => {
      const key = fresh();
      await store.put(CONTAINER, key, Buffer.from('a longer first text'));
      await store.put(CONTAINER, key, Buffer.from('second'));
      assert.equal((await buffer(await store.get(CONTAINER, key))).toString(), 'second');
      assert.equal((await store.head(CONTAINER, key))?.sha256, sha256(Buffer.from('second')));
    });

    check('shows readers the old bytes or the new ones, while it replaces', async (store) => {
      const key = fresh();
      const versions = [1, 2, 3, 4].map((fill) => Buffer.alloc(200_000, fill));
      const allowed = new Set(versions.map(sha256));
      const [first] = versions;
      await store.put(CONTAINER, key, first ?? Buffer.alloc(0));
      let writing = true;
      const readers = [1, 2, 3].map(async () => {
        let reads = 0;
        while (writing || reads === 0) {
          assert.ok(allowed.has(sha256(await buffer(await store.get(CONTAINER, key)))));
          assert.ok(allowed.has((await store.head(CONTAINER, key))?.sha256 ?? ''));
          reads++;
        }
      });
      const write = async (): Promise<void> => {
        try {
          for (let round = 0; round < 10; round++) {
            for (const version of versions) await store.put(CONTAINER, key, version);
          }
        } finally {
          writing = false;
        }
      };
      // All of them, also when one fails: nothing may go on into the next test.
      for (const result of await Promise.allSettled([write(), ...readers])) {
        if (result.status === 'rejected') throw result.reason;
      }
    });

    check('lets a reader finish with the bytes it began with', async (store) => {
      const key = fresh();
      const old = randomBytes(2_000_000);
      await store.put(CONTAINER, key, old);
      const reading = await store.get(CONTAINER, key);
      await store.put(CONTAINER, key, Buffer.from('new'));
      assert.deepEqual(await buffer(reading), old);
    });

    check('ends with one of two puts at once', async (store) => {
      const key = fresh();
      const both = [randomBytes(100_000), randomBytes(100_000)];
      await Promise.all(both.map((data) => store.put(CONTAINER, key, Readable.from([data]))));
      const got = await buffer(await store.get(CONTAINER, key));
      assert.ok(both.some((data) => data.equals(got)));
      assert.equal((await store.head(CONTAINER, key))?.sha256, sha256(got));
    });

    check('leaves nothing of a put whose stream failed', async (store) => {
      const key = fresh();
      const failing = (): Readable =>
        Readable.from(
          (async function* () {
            yield randomBytes(100_000);
            throw new Error('the upload broke off');
          })(),
        );
      await assert.rejects(store.put(CONTAINER, key, failing()), /the upload broke off/);
      assert.equal(await store.head(CONTAINER, key), null);
      await store.put(CONTAINER, key, Buffer.from('good'));
      await assert.rejects(store.put(CONTAINER, key, failing()), /the upload broke off/);
      assert.equal((await buffer(await store.get(CONTAINER, key))).toString(), 'good');
      assert.deepEqual((await store.list(CONTAINER, key)).length, 1);
    });

    check('fails before the end of bytes that were damaged', async (store) => {
      assert.ok(lab.corrupt, 'a lab that cannot damage bytes skips this test with a reason');
      const key = fresh();
      await store.put(CONTAINER, key, randomBytes(1_000_000));
      await lab.corrupt(CONTAINER, key);
      const reading = await store.get(CONTAINER, key);
      let ended = false;
      reading.on('end', () => {
        ended = true;
      });
      await assert.rejects(buffer(reading), { code: 'AVK_BLOB_CORRUPT' });
      assert.equal(ended, false);
    });

    check('copies, and the copy is independent', async (store) => {
      const key = fresh();
      const to = `${key}/copy`;
      const info = await store.put(CONTAINER, key, Buffer.from('one'));
      const copied = await store.copy({ container: CONTAINER, key }, { container: OTHER, key: to });
      assert.deepEqual(copied, { ...info, key: to });
      await store.put(CONTAINER, key, Buffer.from('two'));
      assert.equal((await buffer(await store.get(OTHER, to))).toString(), 'one');
      await store.delete(CONTAINER, key);
      assert.equal((await buffer(await store.get(OTHER, to))).toString(), 'one');
      assert.equal(await store.head(CONTAINER, to), null);
    });

    check('lists in order of key, by prefix', async (store) => {
      const base = fresh();
      const keys = ['b', 'a/2', 'a', 'a.zip', 'a/10', 'B', 'a-1'].map((key) => `${base}/${key}`);
      for (const key of keys) await store.put(CONTAINER, key, Buffer.from(key));
      const list = async (prefix: string): Promise<string[]> =>
        (await store.list(CONTAINER, prefix)).map((info) => info.key);
      assert.deepEqual(await list(`${base}/`), [...keys].sort());
      assert.deepEqual(await list(`${base}/a/`), [`${base}/a/10`, `${base}/a/2`]);
      assert.deepEqual(await list(`${base}/a`), [...keys].filter((key) => key.startsWith(`${base}/a`)).sort());
      assert.deepEqual(await list(`${base}/nothing`), []);
      const [info] = await store.list(CONTAINER, `${base}/b`);
      assert.deepEqual(info, {
        key: `${base}/b`,
        sizeBytes: base.length + 2,
        sha256: sha256(Buffer.from(`${base}/b`)),
      });
      assert.ok((await store.list(CONTAINER)).length >= keys.length);
    });

    check('lists nothing of a container that nobody used', async (store) => {
      assert.deepEqual(await store.list('unused-container'), []);
    });

    check('deletes, and repeating is harmless', async (store) => {
      const key = fresh();
      await store.put(CONTAINER, key, Buffer.from('x'));
      await store.put(CONTAINER, `${key}/below`, Buffer.from('y'));
      await store.delete(CONTAINER, key);
      await store.delete(CONTAINER, key);
      assert.equal(await store.head(CONTAINER, key), null);
      await assert.rejects(store.get(CONTAINER, key), { code: 'AVK_BLOB_NOT_FOUND' });
      assert.deepEqual(
        (await store.list(CONTAINER, key)).map((info) => info.key),
        [`${key}/below`],
      );
    });

    check('refuses keys that are none', async (store) => {
      const bad = ['', '/', 'a//b', '/a', 'a/', '.', '..', 'a/../b', '../a', 'a b', 'a\\b', 'ä', 'a\0', 'a@', 'a\n'];
      for (const key of bad) {
        const refused = { code: 'AVK_BAD_REQUEST' };
        await assert.rejects(store.put(CONTAINER, key, Buffer.from('x')), refused, JSON.stringify(key));
        await assert.rejects(store.get(CONTAINER, key), refused, JSON.stringify(key));
        await assert.rejects(store.delete(CONTAINER, key), refused, JSON.stringify(key));
        await assert.rejects(store.head(CONTAINER, key), refused, JSON.stringify(key));
      }
      for (const key of ['a..b', '.a', '_', '-', 'A.b-c_d/0']) await store.put(CONTAINER, key, Buffer.from('x'));
    });

    check('refuses containers that are none', async (store) => {
      for (const container of ['', '..', 'a/b', 'under_score', 'a']) {
        await assert.rejects(store.put(container, 'key', Buffer.from('x')), { code: 'AVK_BAD_REQUEST' }, container);
        await assert.rejects(store.list(container), { code: 'AVK_BAD_REQUEST' }, container);
      }
    });
  });
}
