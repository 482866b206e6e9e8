import { AvkError, type FieldError } from './errors.ts';
import { type ConfigValue, configProblem, type Manifest } from './manifest.ts';

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

/** What is shown in place of a secret. */
export const MASK = '********';
