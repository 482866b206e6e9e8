import { AvkError, type FieldError } from './errors.ts';
import { type ConfigEntry, type ConfigValue, configProblem, type Manifest } from './manifest.ts';

/** A user's settings of an instance: typed, complete, the secret ones apart. */
export interface Settings {
  values: Record<string, ConfigValue>;
  secrets: Record<string, string>;
}

/**
 * The user's settings with the manifest's defaults.
 *
 * @throws AvkError AVK_UNACCEPTABLE that names each key, and what was expected; never a secret's value
 */
export function resolveSettings(manifest: Manifest, given: Record<string, unknown>): Settings {
  const errors: FieldError[] = [];
  const settings: Settings = { values: {}, secrets: {} };
  const known = new Map(manifest.config.map((entry) => [entry.key, entry]));
  for (const key of Object.keys(given)) {
    if (known.has(key)) continue;
    const names = [...known.keys()].join(', ') || 'none, as the app has no settings';
    errors.push({ path: `config.${key}`, message: `unknown setting; expected one of: ${names}` });
  }
  for (const entry of known.values()) {
    const path = `config.${entry.key}`;
    const value = Object.hasOwn(given, entry.key) ? given[entry.key] : entry.default;
    if (value === undefined || value === null) {
      if (entry.required) errors.push({ path, message: 'expected a value, as the app needs it' });
      continue;
    }
    const problem = configProblem(entry, value);
    if (problem) {
      const received = entry.secret ? {} : { received: JSON.stringify(value)?.slice(0, 100) ?? '' };
      errors.push({ path, message: problem, ...received });
    } else if (entry.secret) settings.secrets[entry.key] = String(value);
    else settings.values[entry.key] = value as ConfigValue;
  }
  const first = errors[0];
  if (first) throw new AvkError('AVK_UNACCEPTABLE', `${first.path}: ${first.message}`, { errors });
  return settings;
}

/**
 * The settings of an instance that gets another version: what it had, as far as that version knows it, and on top of
 * it what is given now.
 *
 * @returns also the keys of what is not kept: the version does not have them, or would show what was a secret
 * @throws AvkError as resolveSettings; also for what was kept and is not acceptable to the version
 */
export function keepSettings(
  manifest: Manifest,
  kept: Settings,
  given: Record<string, unknown>,
): { settings: Settings; dropped: string[] } {
  const had = new Map<string, ConfigValue>([...Object.entries(kept.values), ...Object.entries(kept.secrets)]);
  const carried = new Map<string, ConfigValue>();
  for (const entry of manifest.config) {
    const value = had.get(entry.key);
    // What was a secret must not come to be shown.
    if (value === undefined || (Object.hasOwn(kept.secrets, entry.key) && !entry.secret)) continue;
    carried.set(entry.key, asTyped(entry, value));
  }
  return {
    settings: resolveSettings(manifest, { ...Object.fromEntries(carried), ...given }),
    dropped: [...had.keys()].filter((key) => !carried.has(key) && !Object.hasOwn(given, key)),
  };
}

/** The value as the type that the version gives the setting, where it can be read so; secrets are kept as text. */
function asTyped(entry: ConfigEntry, value: ConfigValue): ConfigValue {
  const text = String(value);
  if (entry.type === 'number') return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : value;
  if (entry.type === 'boolean') return text === 'true' || text === 'false' ? text === 'true' : value;
  return text;
}

/** What is shown in place of a secret. */
export const MASK = '********';
