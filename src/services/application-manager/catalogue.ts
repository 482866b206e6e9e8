import type { Readable } from 'node:stream';
import { readManifest } from '../../domain/app-json.ts';
import { AvkError } from '../../domain/errors.ts';
import type { Manifest } from '../../domain/manifest.ts';
import { nameKey } from '../../domain/names.ts';
import type { Events } from '../../kernel/events.ts';
import type { Messenger } from '../../kernel/messenger.ts';
import type { BlobStore } from '../../ports/blob-store.ts';
import type { Bundle, BundleLimits, BundleReader } from '../../ports/bundle-reader.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Random } from '../../ports/random.ts';
import { type ApplicationManagerTables, BASE_APPS, type BaseAppRow, manifestOf } from './store.ts';
import type { LiveEvent } from './timeline.ts';
import type { Versions } from './versions.ts';

export interface UploadedVersion {
  name: string;
  version: string;
  sha256: string;
  sizeBytes: number;
  manifest: Manifest;
}

export interface Catalogue {
  /** `created` is false when the very same bytes were there already. A refused upload leaves neither blob nor row. */
  upload(file: Readable, by: string): Promise<{ created: boolean; app: UploadedVersion }>;
  list(): Promise<{ name: string; versions: (UploadedVersion & { uploadedAt: string; uploadedBy: string })[] }[]>;
  available(name: string): Promise<boolean>;
  /** Removes blobs without a row: what a crash between the two left. */
  sweep(): Promise<void>;
}

export interface CatalogueDeps {
  database: Database<ApplicationManagerTables>;
  blobs: BlobStore;
  bundles: BundleReader;
  clock: Clock;
  random: Random;
  limits: BundleLimits;
  messenger: Messenger<ApplicationManagerTables>;
  versions: Versions;
  events: Events<LiveEvent>;
}

const LARGEST_JSON = 256 * 1024;

export function createCatalogue(deps: CatalogueDeps): Catalogue {
  const { database, blobs, clock } = deps;

  async function upload(file: Readable, by: string): Promise<{ created: boolean; app: UploadedVersion }> {
    const bundle = await deps.bundles.receive(file, deps.limits);
    try {
      const manifest = await manifestIn(bundle);
      const known = await check(database.read, manifest, bundle.sha256);
      if (known) return { created: false, app: versionOf(known) };
      return await store(bundle, manifest, by);
    } finally {
      await bundle.dispose();
    }
  }

  async function store(bundle: Bundle, manifest: Manifest, by: string) {
    // A key of its own for every upload: two of the same version at once do not touch each other's bytes.
    const key = `${manifest.name}/${manifest.version.replaceAll('+', '_')}/${deps.random.uuid()}.zip`;
    await blobs.put(BASE_APPS, key, bundle.open());
    const sagaId = deps.random.uuid();
    let stored: { created: boolean; app: UploadedVersion };
    try {
      stored = await deps.messenger.transaction(async (unit) => {
        const known = await check(unit.tx, manifest, bundle.sha256);
        if (known) return { created: false, app: versionOf(known) };
        const last = await unit.tx
          .selectFrom('base_apps')
          .select((column) => column.fn.max('serial').as('serial'))
          .executeTakeFirst();
        const row: BaseAppRow = {
          name_key: nameKey(manifest.name),
          name: manifest.name,
          version: manifest.version,
          sha256: bundle.sha256,
          size_bytes: bundle.sizeBytes,
          manifest: JSON.stringify(manifest),
          blob_key: key,
          uploaded_at: clock.now(),
          uploaded_by: by,
          serial: Number(last?.serial ?? 0) + 1,
        };
        await unit.tx.insertInto('base_apps').values(row).execute();
        await deps.versions.retire(unit, row.name_key, sagaId);
        const at = new Date(row.uploaded_at).toISOString();
        unit.after(() => deps.events.publish({ owner: null, type: 'catalogue', app: row.name, at }));
        return { created: true, app: versionOf(row) };
      });
    } catch (error) {
      await blobs.delete(BASE_APPS, key);
      throw error;
    }
    if (!stored.created) await blobs.delete(BASE_APPS, key);
    return stored;
  }

  return {
    upload,
    async list() {
      const rows = await database.read.selectFrom('base_apps').selectAll().orderBy('serial', 'desc').execute();
      const apps = new Map<string, Awaited<ReturnType<Catalogue['list']>>[number]>();
      for (const row of rows) {
        const app = apps.get(row.name_key) ?? { name: row.name, versions: [] };
        apps.set(row.name_key, app);
        const uploadedAt = new Date(row.uploaded_at).toISOString();
        app.versions.push({ ...versionOf(row), uploadedAt, uploadedBy: row.uploaded_by });
      }
      return [...apps.values()].sort((a, b) => a.name.localeCompare(b.name));
    },
    async available(name) {
      const row = await database.read
        .selectFrom('base_apps')
        .select('name')
        .where('name_key', '=', nameKey(name))
        .executeTakeFirst();
      return row === undefined;
    },
    async sweep() {
      const rows = await database.read.selectFrom('base_apps').select('blob_key').execute();
      const kept = new Set(rows.map((row) => row.blob_key));
      for (const blob of await blobs.list(BASE_APPS)) {
        if (!kept.has(blob.key)) await blobs.delete(BASE_APPS, blob.key);
      }
    },
  };
}

async function manifestIn(bundle: Bundle): Promise<Manifest> {
  return readManifest({
    files: new Set(bundle.files.map((file) => file.path)),
    appJson: await bundle.readText('app.json', LARGEST_JSON),
    packageJson: await bundle.readText('package.json', LARGEST_JSON),
  });
}

/** The version if the same bytes are there. @throws AvkError AVK_VERSION_EXISTS, AVK_NAME_TAKEN */
async function check(
  db: Database<ApplicationManagerTables>['read'],
  manifest: Manifest,
  sha256: string,
): Promise<BaseAppRow | null> {
  const rows = await db.selectFrom('base_apps').selectAll().where('name_key', '=', nameKey(manifest.name)).execute();
  const other = rows.find((row) => row.name !== manifest.name);
  if (other) {
    throw new AvkError('AVK_NAME_TAKEN', `${manifest.name} differs from the app ${other.name} in case only`, {
      errors: [{ path: 'name', message: `expected ${other.name}, or another name`, received: manifest.name }],
    });
  }
  const same = rows.find((row) => row.version === manifest.version);
  if (!same) return null;
  if (same.sha256 === sha256) return same;
  throw new AvkError(
    'AVK_VERSION_EXISTS',
    `${manifest.name} ${manifest.version} was uploaded before with other content; raise the version in app.json`,
    { errors: [{ path: 'version', message: 'expected a version not uploaded yet', received: manifest.version }] },
  );
}

function versionOf(row: BaseAppRow): UploadedVersion {
  return {
    name: row.name,
    version: row.version,
    sha256: row.sha256,
    sizeBytes: row.size_bytes,
    manifest: manifestOf(row),
  };
}
