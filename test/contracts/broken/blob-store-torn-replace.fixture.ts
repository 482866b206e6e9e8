import { blobStoreContract } from '../blob-store.contract.ts';
import { filesystemLab } from './blob-store-defects.ts';

/** Takes the old blob away before the new one is there. */
blobStoreContract('torn replace', {
  create: () =>
    filesystemLab((store) => ({
      async put(container, key, data) {
        await store.delete(container, key);
        return await store.put(container, key, data);
      },
    })),
});
