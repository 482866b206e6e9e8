import { Readable } from 'node:stream';
import { blobStoreContract } from '../blob-store.contract.ts';
import { filesystemLab } from './blob-store-defects.ts';

/** Ends as if all were well when the bytes turn out to be damaged. */
blobStoreContract('unverified', {
  create: () =>
    filesystemLab((store) => ({
      async get(container, key) {
        const stream = await store.get(container, key);
        return Readable.from(
          (async function* () {
            try {
              yield* stream;
            } catch (error) {
              if (!(error instanceof Error)) throw error;
            }
          })(),
          { objectMode: false },
        );
      },
    })),
});
