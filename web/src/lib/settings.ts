import type { ConfigEntry, ConfigValue } from '../api/types.ts';

/** What a field holds: text as typed, or a choice. Undefined: left alone. */
export type FieldValue = string | number | boolean | undefined;
export type FieldValues = Record<string, FieldValue>;

/** What the fields begin with. A secret's default stays with the platform. */
export function initialValues(entries: readonly ConfigEntry[]): FieldValues {
  return Object.fromEntries(entries.map((entry) => [entry.key, entry.secret ? undefined : entry.default]));
}

/** The settings to send: what is empty and has no default is left out, so that the app's own default counts. */
export function settingsOf(entries: readonly ConfigEntry[], values: FieldValues): Record<string, ConfigValue> {
  const settings: Record<string, ConfigValue> = {};
  for (const entry of entries) {
    const value = values[entry.key];
    if (value === undefined) continue;
    if (value === '' && (entry.type !== 'string' || entry.secret || entry.default === undefined)) continue;
    settings[entry.key] = value;
  }
  return settings;
}

/** What is wrong with the settings before they are sent; the platform has the last word. By `config.KEY`. */
export function settingErrors(entries: readonly ConfigEntry[], values: FieldValues): Record<string, string> {
  const errors: Record<string, string> = {};
  const settings = settingsOf(entries, values);
  for (const entry of entries) {
    const problem = problemOf(entry, settings[entry.key]);
    if (problem) errors[`config.${entry.key}`] = problem;
  }
  return errors;
}

function problemOf(entry: ConfigEntry, value: ConfigValue | undefined): string | null {
  if (value === undefined) return entry.required && entry.default === undefined ? 'The app needs a value here' : null;
  if (entry.type !== 'number') return null;
  const number = Number(value);
  if (!Number.isFinite(number)) return 'Expected a number';
  if (entry.min !== undefined && number < entry.min) return `Expected at least ${entry.min}`;
  if (entry.max !== undefined && number > entry.max) return `Expected at most ${entry.max}`;
  return null;
}

/** The first free name, as the platform would choose it of what can be seen from here. */
export function firstFreeName(app: string, taken: readonly string[]): string {
  const names = new Set(taken.map((name) => name.toLowerCase()));
  for (let n = 1; ; n += 1) if (!names.has(`${app}-${n}`.toLowerCase())) return `${app}-${n}`;
}
