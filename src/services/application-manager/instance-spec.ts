import { AvkError } from '../../domain/errors.ts';
import type { InstanceSpec } from '../../domain/instance.ts';
import type { ConfigValue, Scale } from '../../domain/manifest.ts';
import { nameKey } from '../../domain/names.ts';
import { MASK, type Settings } from '../../domain/settings.ts';
import type { SecretBox } from '../../kernel/secret-box.ts';
import { DEPLOYED_APPS, type LaunchContext } from './launch-saga.ts';
import { type BaseAppRow, type Db, imageName, manifestOf } from './store.ts';

/** What an instance of an app with these settings is made of, and its settings as shown and as stored. */
export function makeSpec(options: {
  name: string;
  generation: number;
  app: BaseAppRow;
  settings: Settings;
  scale: Scale;
  secrets: SecretBox;
}): { spec: InstanceSpec; config: string; stored: LaunchContext['settings'] } {
  const { name, generation, app, settings, secrets } = options;
  const manifest = manifestOf(app);
  const sealed = Object.fromEntries(Object.entries(settings.secrets).map(([key, value]) => [key, secrets.seal(value)]));
  const values = Object.fromEntries(Object.entries(settings.values).map(([key, value]) => [key, String(value)]));
  const masked = Object.fromEntries(Object.keys(sealed).map((key) => [key, MASK]));
  return {
    spec: {
      instance: name,
      generation,
      appName: app.name,
      version: app.version,
      image: imageName(app),
      bundle: { container: DEPLOYED_APPS, key: `${name}/${generation}.zip` },
      manifest,
      env: { ...manifest.env, ...values },
      sealed,
      scale: options.scale,
    },
    config: JSON.stringify({ ...settings.values, ...masked }),
    stored: { values: settings.values, sealed },
  };
}

/** The settings again, from how they are shown and the sealed ones. */
export function settingsOf(config: string, sealed: Record<string, string>, secrets: SecretBox): Settings {
  const shown = Object.entries(JSON.parse(config) as Record<string, ConfigValue>);
  return {
    values: Object.fromEntries(shown.filter(([key]) => !Object.hasOwn(sealed, key))),
    secrets: Object.fromEntries(Object.entries(sealed).map(([key, value]) => [key, secrets.open(value)])),
  };
}

/** There is no such app, or no such version of it. */
export async function unknownApp(db: Db, name: string, version: string | undefined): Promise<AvkError> {
  const known = await db
    .selectFrom('base_apps')
    .select('version')
    .where('name_key', '=', nameKey(name))
    .orderBy('serial', 'desc')
    .execute();
  if (known.length === 0) return new AvkError('AVK_NOT_FOUND', `there is no app ${name}; upload it first`);
  const versions = known.map((row) => row.version).join(', ');
  return new AvkError('AVK_UNACCEPTABLE', `${name} has no version ${version}; there is ${versions}`, {
    errors: [{ path: 'version', message: `expected one of ${versions}`, received: version ?? '' }],
  });
}
